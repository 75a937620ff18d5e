import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isRegistryFolder } from "../../layout/registry-folder/paths.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { parseRepositoryPattern, type RepositoryPattern } from "../../oci/repository-patterns.ts";
import { errorCode } from "../../registry/files/durable.ts";
import type { Surroundings } from "../command.ts";
import { parseTyped, UsageError } from "../command.ts";
import { parseRegistry, type TypedRegistry } from "../locations/operands.ts";
import type { Remotes } from "../locations/registries.ts";
import { folderSource } from "./folder-source.ts";
import { archiveSource, layoutSource } from "./layout-source.ts";
import { registrySource } from "./registry-source.ts";
import type { ImportSource } from "./source.ts";

/** What kind of thing a person named. */
export type SourceKind =
  | { readonly kind: "registry-folder" | "layout" | "archive"; readonly path: string }
  | {
      readonly kind: "registry";
      readonly registry: TypedRegistry;
      /** Which repositories, where it was typed behind the registry's name. */
      readonly pattern?: RepositoryPattern;
    };

/** Finds out what an operand is: what there is on the disk comes first, the rest is a registry. */
export async function recognizeSource(text: string, cwd: string): Promise<SourceKind> {
  const named = text.replace(/^(oci|oci-archive|docker-archive):(?!\/\/)/, "");
  const path = resolve(cwd, named);
  const found = await stat(path).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR") throw error;
  });
  if (found?.isDirectory()) {
    if (await isThere(join(path, "index.json"))) return { kind: "layout", path };
    if (await isRegistryFolder(path)) return { kind: "registry-folder", path };
    if (await isThere(join(path, "metadata.db"))) {
      throw new RegistryError(
        "NAME_UNKNOWN",
        `the folder ${path} is the data of a Berth: export what is wanted of it (berth export --data) and import the archive`,
      );
    }
    throw new RegistryError(
      "NAME_UNKNOWN",
      `the folder ${path} is neither the data of a CNCF registry (docker/registry/v2/repositories) nor an OCI image ` +
        "layout (index.json): name the folder in which one of these stands",
    );
  }
  if (found) return { kind: "archive", path };
  if (named !== text || /^[./~]/.test(text))
    throw new UsageError(`there is no file or folder ${quote(named)}`);
  return parseRegistrySource(text);
}

function parseRegistrySource(text: string): SourceKind {
  const [, host = "", pattern = ""] = /^((?:https?:\/\/)?[^/]*)\/?(.*?)\/?$/is.exec(text) ?? [];
  const registry = parseRegistry(host);
  if (pattern === "") return { kind: "registry", registry };
  return { kind: "registry", registry, pattern: parseTyped(parseRepositoryPattern, pattern) };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false, // whoever opens it is told why
  );
}

/** Opens a source. Whoever opens it closes it. @throws what opening it throws */
export async function openSource(
  kind: SourceKind,
  remotes: Remotes,
  { signal }: Pick<Surroundings, "signal">,
): Promise<ImportSource> {
  switch (kind.kind) {
    case "registry-folder":
      return folderSource(kind.path);
    case "layout":
      return layoutSource(kind.path);
    case "archive":
      return archiveSource(kind.path, signal);
    case "registry": {
      const { registry, ...typed } = kind.registry;
      return registrySource(remotes.client(registry, typed), kind.pattern, signal);
    }
  }
}
