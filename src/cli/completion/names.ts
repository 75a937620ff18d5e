import { listLogins } from "../../client/docker-credentials.ts";
import { openLayout } from "../../layout/layout.ts";
import { familiarName, familiarReference } from "../../oci/references.ts";
import type { Surroundings } from "../command.ts";
import { imagesFolder } from "../locations/local-images.ts";
import { loginOptions } from "../locations/registries.ts";
import type { NameSource } from "./completion.ts";

/** What images are usually built for. */
const platforms = [
  "linux/amd64",
  "linux/arm64",
  "linux/arm/v7",
  "linux/arm/v6",
  "linux/386",
  "linux/ppc64le",
  "linux/riscv64",
  "linux/s390x",
  "windows/amd64",
];

/**
 * What this machine knows without asking another: names of local images, and the registries of these and of logins.
 * What cannot be read has no names: a person who presses a key wants no error.
 */
export function namesAtHand(surroundings: Pick<Surroundings, "env">): NameSource {
  return async (kind) => {
    if (kind === "platform") return platforms;
    const entries = await openLayout(imagesFolder(surroundings.env))
      .entries()
      .catch(() => []);
    if (kind === "registry") {
      const logins = await listLogins(loginOptions(surroundings)).catch(() => []);
      return unique([...logins.map((login) => login.registry), ...entries.map(({ registry }) => registry)]);
    }
    const images = entries.flatMap((entry) => (entry.tag ? [familiarReference(entry)] : []));
    return unique(kind === "image" ? images : [...entries.map(familiarName), ...images]);
  };
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
