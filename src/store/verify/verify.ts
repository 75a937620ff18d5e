import { setImmediate } from "node:timers/promises";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { Metadata } from "../metadata/metadata.ts";
import {
  type Fault,
  type VerificationRow,
  type Verifier,
  type VerifyCounts,
  type VerifyPlace,
  verifyStages,
} from "../metadata/verification.ts";
import type { Mender } from "./mender.ts";
import { createPacer } from "./pacing.ts";
import { createSteps, databaseName, type StepResult, type Steps } from "./steps.ts";
import { type StrayAges, strayAgesOf } from "./strays.ts";

/** How a store is verified. */
export interface VerifyOptions {
  /** The data folder. */
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
  readonly by: Verifier;
  /** Begins anew, whatever was left unfinished. */
  readonly restart?: boolean;
  /** Bytes that are read a second; without limit if absent. */
  readonly bytesPerSecond?: number | undefined;
  /** What mends what is found; nothing is changed if absent. */
  readonly mender?: Mender;
  /** {@link strayAgesOf} if absent. */
  readonly strayAges?: StrayAges;
  readonly signal: AbortSignal;
  /** Told of each fault; also of those that were found before it was broken off. */
  readonly onFault?: (fault: Fault) => void;
  /** Told how many faults an unfinished verification had left as they were, when it is begun anew to mend them. */
  readonly onAnew?: (faults: number) => void;
  /** Told often how far it is. */
  readonly onProgress?: (place: VerifyPlace) => void;
}

/** How often it is written down how far it is, at least. Milliseconds. */
const noteEveryMs = 2000;

/**
 * Looks at everything in a store: manifests, tags, links, referrers, the bytes of every blob, files that nobody knows. The
 * store may be used meanwhile, by this process or another. Goes on where the last one was broken off, but a
 * repair begins anew when one that mended nothing has found faults.
 * @throws `signal.reason`, after it has written down how far it came; RegistryError CONFLICT when another was begun anew
 */
export async function verifyStore(options: VerifyOptions): Promise<VerificationRow> {
  const { metadata, by, signal, onFault } = options;
  const { verification } = metadata;
  const begun = await findBegun(options);
  const row = begun ?? (await verification.begin(by));
  const { id, stage, cursor, counts } = row;
  if (begun && onFault) for (const fault of await verification.listFaults(id, counts.faults)) onFault(fault);
  const { strayAges = await strayAgesOf(verification) } = options;
  const run = createRun({ ...options, strayAges }, { stage, cursor, counts });
  let noted = performance.now();
  let faults: Fault[] = [];
  const note = async (): Promise<void> => {
    const untold = faults;
    faults = [];
    noted = performance.now();
    if (!(await verification.advance(row, run.place(), untold))) throw supplanted();
  };
  try {
    while (run.place().stage !== "done") {
      signal.throwIfAborted();
      for (const fault of await run.step()) {
        faults.push(fault);
        onFault?.(fault);
      }
      if (faults.length > 0 || performance.now() - noted > noteEveryMs) await note();
      await setImmediate(); // requests have their turn
    }
  } finally {
    await note();
  }
  const ended = await verification.get(id);
  if (!ended) throw supplanted();
  return ended;
}

function supplanted(): RegistryError {
  return new RegistryError(
    "CONFLICT",
    "this verification was given up, as another was begun anew meanwhile: wait for that one, which looks at everything too",
  );
}

/** The verification to go on with, if there is one. */
async function findBegun(options: VerifyOptions): Promise<VerificationRow | undefined> {
  const { metadata, by, restart = false, onAnew } = options;
  const { verification } = metadata;
  if (restart) return undefined;
  const own = await verification.unfinished(by);
  if (own || by !== "repair") return own;
  const unmended = await verification.unfinished("command");
  if (!unmended || unmended.counts.faults === 0) return unmended;
  onAnew?.(unmended.counts.faults);
  return undefined;
}

/** A step that ends at what the disk changed in the metadata; what is behind that in its stage is not looked at. */
async function takeStep(steps: Steps, stage: keyof Steps, cursor: string): Promise<StepResult> {
  try {
    const result = await steps[stage](cursor);
    // Else it would look at the same rows for ever.
    if (result.next === undefined || stage === "files" || isBehind(result.next, cursor)) return result;
    const faults = [...result.faults, unreadable(stage, "its rows are not in their order")];
    return { counts: result.counts, faults };
  } catch (error) {
    if (!(error instanceof Error) || !errorCode(error).startsWith("SQLITE_CORRUPT")) throw error;
    return { counts: {}, faults: [unreadable(stage, error.message)] };
  }
}

function unreadable(stage: keyof Steps, why: string): Fault {
  const detail = `it cannot be read to its end: ${why}`;
  return { kind: "metadata-damaged", subject: `${databaseName} (${stage})`, detail };
}

/** Whether a cursor, of ids and digests, comes behind another. */
function isBehind(next: string, cursor: string): boolean {
  const sortable = (text: string): string => text.replace(/\b\d{1,16}\b/g, (id) => id.padStart(16, "0"));
  return sortable(next) > sortable(cursor);
}

/** Takes one step after the other through all stages. */
function createRun(options: VerifyOptions & { readonly strayAges: StrayAges }, start: VerifyPlace) {
  const { signal, onProgress } = options;
  let place = start;
  let bytesInStep = 0;
  const tell = (): void => onProgress?.({ ...place, counts: add(place.counts, { bytes: bytesInStep }) });
  const onBytes = (bytes: number): void => {
    bytesInStep += bytes;
    tell();
  };
  const steps = createSteps({ ...options, pacer: createPacer(options.bytesPerSecond, signal), onBytes });
  return {
    place: () => place,
    async step(): Promise<readonly Fault[]> {
      const { stage, cursor } = place;
      if (stage === "done") return [];
      bytesInStep = 0;
      const { next, counts, faults } = await takeStep(steps, stage, cursor);
      const found = {
        faults: faults.length,
        mended: faults.filter(({ mended }) => mended !== undefined).length,
      };
      const following = verifyStages[verifyStages.indexOf(stage) + 1] ?? "done";
      place = {
        ...(next === undefined ? { stage: following, cursor: "" } : { stage, cursor: next }),
        counts: add(add(place.counts, counts), { bytes: bytesInStep, ...found }),
      };
      bytesInStep = 0;
      tell();
      return faults;
    },
  };
}

function add(counts: VerifyCounts, more: Partial<VerifyCounts>): VerifyCounts {
  const sum = { ...counts };
  // Safe: `more` has no other keys.
  for (const [key, count] of Object.entries(more) as [keyof VerifyCounts, number][]) sum[key] += count;
  return sum;
}
