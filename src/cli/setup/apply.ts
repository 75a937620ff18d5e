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
 * what was done is taken back. What it does is recorded before it is done, so that it can be taken back whenever it ends. Resolves to what takes it back alone.
 * @throws RegistryError DENIED, with what cannot be changed and why; what a program said
 */
export async function applyPlan(plan: Plan, place: Place): Promise<() => Promise<void>> {
  const { files, registry, run } = place;
  if (plan.files.length === 0 && plan.commands.length === 0) return async () => {};
  const paths = [recordPath(registry), ...plan.files.map(({ path }) => path)];
  requireAllWritable(files, paths);
  const earlier = await readRecord(files, registry);
  const steps = await Promise.all(
    plan.files.map(async ({ path, before, after }): Promise<Step> => {
      return { path, before: before ?? null, after, modified: await files.modified(path) };
    }),
  );
  const folders = files.missingFolders(paths);
  const record: SetupRecord = {
    steps: [...(earlier?.steps ?? []), ...steps],
    commands: unique([...(earlier?.commands ?? []), ...plan.commands.map(({ undo }) => undo)]),
    folders: [...new Set([...(earlier?.folders ?? []), ...folders])],
  };
  const written: Step[] = [];
  const retreat = async (): Promise<void> => {
    try {
      const { left } = await takeBack(files, { steps: written, commands: [], folders });
      if (left.length > 0)
        throw new Error(`others changed ${left.map(({ path }) => path).join(", ")} meanwhile`);
      await restoreRecord(place, earlier, folders);
    } catch (cause) {
      const next = `run berth setup client ${registry} --undo`;
      const left = `not everything could be taken back (${reasonOf(cause)})`;
      throw new RegistryError("DENIED", `${left}: ${next}`, { cause });
    }
  };
  const begun: (readonly string[])[] = [];
  let at = recordPath(registry);
  try {
    await writeRecord(files, registry, record);
    for (const step of steps) {
      const { path, before, after } = step;
      at = path;
      if ((await files.read(path)) !== (before ?? undefined))
        throw new Error("it was changed just now by somebody else");
      written.push(step);
      await files.write(path, after);
    }
    at = "the system";
    for (const { argv, undo } of plan.commands) {
      begun.push(undo);
      await run(argv);
    }
  } catch (cause) {
    const kept = await retreat().then(() => undefined, reasonOf);
    const state = kept ?? (await runAll(run, begun)) ?? "nothing was changed";
    throw new RegistryError("DENIED", `cannot change ${at}: ${reasonOf(cause)}: ${state}`, { cause });
  }
  return async () => {
    await retreat();
    for (const { undo } of plan.commands) await run(undo);
  };
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

function unique(commands: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...new Map(commands.map((argv) => [argv.join(" "), argv])).values()];
}
