import { stat } from "node:fs/promises";
import { join } from "node:path";
import { quote, RegistryError } from "../oci/errors.ts";
import { requireOwnDatabase } from "./metadata/sqlite/database-file.ts";

const metadataFile = "metadata.db";
/** What only a folder that is in use has. */
const contents = ["blobs", "uploads"];
/** What file systems, desktops and people put into a folder before Berth begins to use it. */
const harmless = /^(?:[.@#].*|lost\+found|lock\.db.*|tls|.*\.ya?ml|.*\.pem|.*\.key|.*password.*)$/;

/**
 * Refuses a folder that another program or a newer Berth has filled. Nothing in it is changed.
 * @param names what is in it
 * @throws RegistryError UNAVAILABLE
 */
export async function requireOwnContents(folder: string, names: readonly string[]): Promise<void> {
  if (names.includes(metadataFile)) return requireOwnDatabase(join(folder, metadataFile));
  const found = await findForeign(folder, names);
  if (!found) return;
  throw new RegistryError(
    "UNAVAILABLE",
    `the data folder ${folder} is ${found.whose}: choose an empty or a new one with --data${found.advice ?? ""}`,
  );
}

interface Foreign {
  readonly whose: string;
  readonly advice?: string;
}

async function findForeign(folder: string, names: readonly string[]): Promise<Foreign | undefined> {
  if (await exists(join(folder, "docker", "registry"))) {
    const advice = `, and take the images over with: berth import ${folder}`;
    return { whose: "a CNCF registry's (it has docker/registry)", advice };
  }
  if (names.includes("oci-layout")) {
    const advice = `, and take the images over with: berth import ${folder}`;
    return { whose: "an OCI image layout", advice };
  }
  const lost = contents.filter((name) => names.includes(name));
  if (lost.length > 0) {
    const whose = `not whole, or another program's: it has ${lost.join(" and ")}, but no ${metadataFile}`;
    return { whose, advice: `, or put ${metadataFile} back from a backup if these are Berth's` };
  }
  const others = names.filter((name) => !harmless.test(name)).sort();
  if (others.length === 0) return undefined;
  const more = others.length > 3 ? ` and ${others.length - 3} more` : "";
  const shown = others.slice(0, 3).map(quote).join(", ");
  return { whose: `another program's: it has ${shown}${more} and nothing of Berth's` };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false, // whatever the reason: nothing is found there
  );
}
