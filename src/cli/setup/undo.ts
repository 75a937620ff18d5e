import type { RegistryName } from "../../oci/references.ts";
import { type Files, requireAllWritable } from "./files.ts";
import { withoutInsertion } from "./insertions.ts";
import type { RunProgram } from "./programs.ts";
import {
  readRecord,
  readRecordAt,
  recordFolder,
  recordPath,
  removeRecord,
  type SetupRecord,
  type Step,
  writeRecord,
} from "./record.ts";

/** What became of a file that setup had changed. */
export interface UndoneFile {
  readonly path: string;
  /** `kept` where others changed it since, and what setup did cannot be told apart. */
  readonly outcome: "restored" | "removed" | "unchanged" | "kept";
}

/** What is to be taken back for a registry; `undefined` when nothing was set up. */
export async function undoneBy(
  files: Files,
  registry: RegistryName,
): Promise<readonly UndoneFile[] | undefined> {
  const record = await readRecord(files, registry);
  if (!record) return undefined;
  const latest = new Map<string, string | null>();
  const outcomes: UndoneFile[] = [];
  for (const step of [...record.steps].reverse()) {
    const now = latest.has(step.path)
      ? (latest.get(step.path) ?? null)
      : ((await files.read(step.path)) ?? null);
    const back = goBack(step, now);
    latest.set(step.path, back.content);
    outcomes.push({ path: step.path, outcome: back.outcome });
  }
  return worstOf(outcomes);
}

/**
 * Takes back everything that setup did for a registry. What cannot be told apart from what others did stays, and stays
 * recorded.
 * @throws what reading, writing and the programs throw
 */
export async function undoSetup(
  files: Files,
  registry: RegistryName,
  run: RunProgram,
): Promise<readonly UndoneFile[] | undefined> {
  const planned = await undoneBy(files, registry);
  const record = await readRecord(files, registry);
  if (!planned || !record) {
    if (files.refusal(recordPath(registry)) === undefined) {
      // A setup that was killed as it began left no more than this.
      await removeRecord(files, registry);
      await files.removeFolders([recordFolder]);
    }
    return undefined;
  }
  const changed = planned.filter(({ outcome }) => outcome === "restored" || outcome === "removed");
  requireAllWritable(files, [recordPath(registry), ...changed.map(({ path }) => path)]);
  const { outcomes, left, folders } = await takeBack(files, record);
  // Also when an earlier undo took the files back already: it may have been interrupted before it came here.
  for (const argv of record.commands) await run(argv);
  const gone = record.steps.filter((step) => !left.includes(step));
  if (left.length > 0) {
    await passOn(files, registry, { steps: gone, folders: [] });
    await writeRecord(files, registry, { ...record, steps: left, folders });
    return worstOf(outcomes);
  }
  await passOn(files, registry, { steps: gone, folders: folders.filter((one) => one !== recordFolder) });
  await removeRecord(files, registry);
  await files.removeFolders([...folders, recordFolder]);
  return worstOf(outcomes);
}

/**
 * What is set up for another registry was added to what these steps wrote, and stands in folders that were made for them: it
 * is recorded as if they had never been, so that everything is as it was when that is taken back, too.
 */
async function passOn(
  files: Files,
  registry: RegistryName,
  gone: Pick<SetupRecord, "steps" | "folders">,
): Promise<void> {
  const names = await files.list(recordFolder);
  const paths = names.filter((name) => name.endsWith(".json")).map((name) => `${recordFolder}/${name}`);
  let made = gone.folders;
  for (const path of paths) {
    const other = path === recordPath(registry) ? undefined : await readRecordAt(files, path);
    if (!other) continue;
    const steps = other.steps.map((step) => withoutSteps(step, gone.steps));
    const folders = [...new Set([...other.folders, ...made])];
    await writeRecord(files, other.registry, { ...other, steps, folders });
    made = [];
  }
}

/** What one step would have been, if others had not been before it. */
function withoutSteps(step: Step, others: readonly Step[]): Step {
  return others
    .filter(({ path }) => path === step.path)
    .reduceRight(({ before, after, modified, ...one }, other) => {
      const isFirst = before === other.after; // and shows the time of the other
      const [first, then] = [goBack(other, before).content, goBack(other, after).content];
      return { ...one, before: first, after: then ?? after, modified: isFirst ? other.modified : modified };
    }, step);
}

/** Takes steps back, the last one first. */
export async function takeBack(
  files: Files,
  record: SetupRecord,
): Promise<{ outcomes: readonly UndoneFile[]; left: readonly Step[]; folders: readonly string[] }> {
  const outcomes: UndoneFile[] = [];
  const left: Step[] = [];
  for (const step of [...record.steps].reverse()) {
    await files.tidy(step.path);
    const now = (await files.read(step.path)) ?? null;
    const { outcome, content } = goBack(step, now);
    if (outcome === "kept") left.unshift(step);
    else if (content === null && now !== null) await files.remove(step.path);
    else if (content !== null && content !== now) {
      const modified = content === step.before ? step.modified : undefined;
      await files.write(step.path, content, { modified });
    }
    outcomes.push({ path: step.path, outcome });
  }
  return { outcomes, left, folders: await files.removeFolders(record.folders) };
}

/** What a file becomes when one step is taken back. */
function goBack(
  { path, before, after }: Step,
  now: string | null,
): { readonly outcome: UndoneFile["outcome"]; readonly content: string | null } {
  if (now === before) return { outcome: "unchanged", content: now };
  if (now === after) return { outcome: before === null ? "removed" : "restored", content: before };
  if (now === null) return { outcome: before === null ? "unchanged" : "kept", content: now };
  const content = withoutInsertion(path, before ?? "", after, now);
  return content === undefined ? { outcome: "kept", content: now } : { outcome: "restored", content };
}

/** One outcome for each file. */
function worstOf(outcomes: readonly UndoneFile[]): readonly UndoneFile[] {
  const order = ["unchanged", "restored", "removed", "kept"];
  const byPath = new Map<string, UndoneFile>();
  for (const one of outcomes) {
    const known = byPath.get(one.path);
    if (!known || order.indexOf(one.outcome) > order.indexOf(known.outcome)) byPath.set(one.path, one);
  }
  return [...byPath.values()];
}
