import { RegistryError } from "../../oci/errors.ts";
import type { RegistryName } from "../../oci/references.ts";
import { type Files, reasonOf, requireAllWritable } from "./files.ts";
import type { Plan } from "./plan.ts";
import type { RunProgram } from "./programs.ts";
import { readRecord, recordPath, removeRecord, type SetupRecord, type Step, writeRecord } from "./record.ts";
import { takeBack } from "./undo.ts";

/** Where a plan is carried out. */
export interface Place {
  readonly files: Files;
  readonly registry: RegistryName;
  readonly run: RunProgram;
}

/**
 * Carries out a plan, whole or not at all: what cannot be written is named before anything is, and when something fails,
 * what was done is taken back. What it does is recorded before it is done, so that it can be taken back whenever it ends.
 * Resolves to what takes it back alone.
 * @throws RegistryError DENIED, with what cannot be changed and why; what a program said
 */
export async function applyPlan(plan: Plan, place: Place): Promise<() => Promise<void>> {
  const { files, registry, run } = place;
  if (plan.files.length === 0 && plan.commands.length === 0) return async () => {};
  const paths = [recordPath(registry), ...plan.files.map(({ path }) => path)];
  requireAllWritable(files, paths);
  const earlier = await readRecord(files, registry);
  const added = await recordOf(plan, files, paths);
  const done: Done = { at: recordPath(registry), steps: [], undo: [] };
  const retreat = () => retreatFrom({ ...added, steps: done.steps }, earlier, place);
  try {
    await writeRecord(files, registry, earlier ? joinRecords(earlier, added) : added);
    await carryOut(plan, added.steps, place, done);
  } catch (cause) {
    const kept = await retreat().then(() => undefined, reasonOf);
    const state = kept ?? (await runAll(run, done.undo)) ?? "nothing was changed";
    throw new RegistryError("DENIED", `cannot change ${done.at}: ${reasonOf(cause)}: ${state}`, { cause });
  }
  return async () => {
    await retreat();
    for (const { undo } of plan.commands) await run(undo);
  };
}

/** What a plan will have done. */
async function recordOf(plan: Plan, files: Files, paths: readonly string[]): Promise<SetupRecord> {
  const steps = plan.files.map(async ({ path, before = null, after }): Promise<Step> => {
    return { path, before, after, modified: await files.modified(path) };
  });
  return {
    steps: await Promise.all(steps),
    commands: plan.commands.map(({ undo }) => undo),
    folders: files.missingFolders(paths),
  };
}

function joinRecords(earlier: SetupRecord, added: SetupRecord): SetupRecord {
  const commands = [...earlier.commands, ...added.commands];
  return {
    steps: [...earlier.steps, ...added.steps],
    commands: [...new Map(commands.map((argv) => [argv.join(" "), argv])).values()],
    folders: [...new Set([...earlier.folders, ...added.folders])],
  };
}

/** How far a plan was carried out. */
interface Done {
  /** What is being changed. */
  at: string;
  /** Those that were begun, also the one that failed. */
  readonly steps: Step[];
  /** What takes back the programs that were begun. */
  readonly undo: (readonly string[])[];
}

async function carryOut(
  plan: Plan,
  steps: readonly Step[],
  { files, run }: Place,
  done: Done,
): Promise<void> {
  for (const step of steps) {
    done.at = step.path;
    if (((await files.read(step.path)) ?? null) !== step.before)
      throw new Error("it was changed just now by somebody else");
    done.steps.push(step);
    await files.write(step.path, step.after);
  }
  done.at = "the system";
  for (const { argv, undo } of plan.commands) {
    done.undo.push(undo);
    await run(argv);
  }
}

/** Takes back files and folders alone, and the record of them. @throws RegistryError DENIED when something stays */
async function retreatFrom(done: SetupRecord, earlier: SetupRecord | undefined, place: Place): Promise<void> {
  try {
    const { left } = await takeBack(place.files, done);
    const changed = left.map(({ path }) => path).join(", ");
    if (changed !== "") throw new Error(`others changed ${changed} meanwhile`);
    await restoreRecord(place, earlier, done.folders);
  } catch (cause) {
    const left = `not everything could be taken back (${reasonOf(cause)})`;
    const next = `run berth setup client ${place.registry} --undo`;
    throw new RegistryError("DENIED", `${left}: ${next}`, { cause });
  }
}

/** Runs every command, also behind one that failed. Resolves to what failed. */
async function runAll(
  run: RunProgram,
  commands: readonly (readonly string[])[],
): Promise<string | undefined> {
  let failed: string | undefined;
  for (const argv of commands) {
    await run(argv).catch((cause) => {
      failed = `the files are as they were, but "${argv.join(" ")}" failed (${reasonOf(cause)}): run it again`;
    });
  }
  return failed;
}

async function restoreRecord(
  { files, registry }: Place,
  earlier: SetupRecord | undefined,
  folders: readonly string[],
): Promise<void> {
  if (earlier) return void (await writeRecord(files, registry, earlier));
  await removeRecord(files, registry);
  await files.removeFolders(folders);
}
