import { z } from "zod";
import { RegistryError } from "../../oci/errors.ts";
import { readJson } from "../../oci/json.ts";
import { parseRegistryName, type RegistryName } from "../../oci/references.ts";
import type { Files } from "./files.ts";
import { fileNameOf } from "./plan.ts";

const base64 = z.base64().transform((text) => Buffer.from(text, "base64").toString("latin1"));

const schema = z.object({
  format: z.literal(1),
  registry: z.string(),
  steps: z.array(
    z.object({
      path: z.string(),
      before: base64.nullable(),
      after: base64,
      modified: z.coerce.date().optional(),
    }),
  ),
  commands: z.array(z.array(z.string())),
  folders: z.array(z.string()),
});

/** One file that was changed, or was about to be. */
export interface Step {
  readonly path: string;
  /** `null` when there was no such file. Latin-1, as `after`. */
  readonly before: string | null;
  readonly after: string;
  /** When it was last changed before. */
  readonly modified?: Date | undefined;
}

/** Everything that setup changed for one registry. */
export interface SetupRecord {
  /** In the order in which it was done. */
  readonly steps: readonly Step[];
  /** What has to run when files change back. */
  readonly commands: readonly (readonly string[])[];
  /** Folders that were made, or were about to be. */
  readonly folders: readonly string[];
}

/** Where the records are: this folder is setup's own. */
export const recordFolder = "/var/lib/berth-setup";

export function recordPath(registry: RegistryName): string {
  return `${recordFolder}/${fileNameOf(registry)}.json`;
}

/** What was set up for a registry, if anything was. @throws RegistryError UNSUPPORTED when the file is not what setup writes */
export function readRecord(files: Files, registry: RegistryName): Promise<SetupRecord | undefined> {
  return readRecordAt(files, recordPath(registry));
}

/** The same, of the registry whose record is that file. */
export async function readRecordAt(
  files: Files,
  path: string,
): Promise<(SetupRecord & { readonly registry: RegistryName }) | undefined> {
  const text = await files.read(path);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(readJson(text));
  if (parsed.success) return { ...parsed.data, registry: parseRegistryName(parsed.data.registry) };
  throw new RegistryError(
    "UNSUPPORTED",
    `${path} is not a record that this Berth wrote, so that nothing can be taken back by it: look at what it says`,
  );
}

/** Writes what was there before: it may have secrets, and is for root alone. */
export function writeRecord(files: Files, registry: RegistryName, record: SetupRecord): Promise<void> {
  const encode = (text: string): string => Buffer.from(text, "latin1").toString("base64");
  const steps = record.steps.map(({ before, after, ...step }) => {
    return { ...step, before: before === null ? null : encode(before), after: encode(after) };
  });
  const text = JSON.stringify({ ...record, format: 1, registry, steps });
  return files.write(recordPath(registry), `${text}\n`, { mode: 0o600 });
}

/** Removes the record, if there is one, and what was left of one that was being written. */
export async function removeRecord(files: Files, registry: RegistryName): Promise<void> {
  const path = recordPath(registry);
  await files.tidy(path);
  if ((await files.read(path)) !== undefined) await files.remove(path);
}
