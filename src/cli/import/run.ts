import { RegistryError } from "../../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/names.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import { createCollections } from "../collections.ts";
import { describeFailure } from "../failures.ts";
import type { ImportDestination } from "./destination.ts";
import type { ImportOptions } from "./options.ts";
import { createTally, type Fault, type ImportReport, type RepositoryReport, type Tally } from "./report.ts";
import { importRepository } from "./repository.ts";
import type { RepositoryRun } from "./repository-run.ts";
import type { ImportSource, SourceRepository } from "./source.ts";
import { createStop, type Stop } from "./stop.ts";

/**
 * Imports what is wanted of several sources. What cannot be imported is reported, and the rest is done; it ends before
 * when the destination has no room, or an end of it cannot be reached any more.
 * @throws `signal.reason`; what a source throws that cannot be listed at all
 */
export async function importAll(
  sources: readonly ImportSource[],
  destination: ImportDestination,
  options: ImportOptions,
): Promise<ImportReport> {
  const total = createTally();
  const stop = createStop();
  total.faults.push(...options.problems.map(({ where, error }) => faultOf(where, error, options.signal)));
  let repositories = 0;
  const done = (report: RepositoryReport): void => {
    repositories += 1;
    total.add(report);
    options.onRepository(report);
  };
  for (const source of sources) {
    if (!stop.reason) await importSource(source, destination, options, { total, stop, done });
  }
  return {
    destination: destination.name,
    dryRun: options.dryRun,
    repositories,
    ...total.counts(),
    faults: total.faults,
    notes: [...total.notes],
    ...(destination.files ? { files: destination.files } : {}),
    ...(stop.reason ? { stopped: stop.reason } : {}),
  };
}

interface SourceRun {
  readonly total: Tally;
  readonly stop: Stop;
  readonly done: (report: RepositoryReport) => void;
}

async function importSource(
  source: ImportSource,
  destination: ImportDestination,
  options: ImportOptions,
  { total, stop, done }: SourceRun,
): Promise<void> {
  const { signal } = options;
  const fault = (where: string, error: unknown): Fault => faultOf(where, error, signal);
  const running = new Set<Promise<void>>();
  const collectAfter = createCollections();
  const onEvent = (event: CopyEvent): void => {
    collectAfter(event);
    options.onEvent(event);
  };
  const one = async (repository: SourceRepository): Promise<void> => {
    const tally = createTally();
    const onProblem = ({ where, error }: { where: string; error: unknown }): void => {
      signal.throwIfAborted();
      stop.note(error, fault(where, error));
      tally.faults.push(fault(where, error));
    };
    const target = targetOf(repository, options);
    if (!target) {
      const error = new RegistryError(
        "NAME_INVALID",
        "its images have no repository in their names: give one with --as",
      );
      total.faults.push(fault(source.name, error));
      return;
    }
    const run: RepositoryRun = { ...options, onEvent, destination, target, tally, onProblem, stop };
    await importRepository(run, source, repository);
    const { faults, notes } = tally;
    done({ source: repository.repository, repository: target, ...tally.counts(), faults, notes: [...notes] });
  };
  for (const { repository, blobs } of source.brought ?? []) {
    const target = prefixed(repository, options);
    for (const digest of blobs) destination.holds(digest, target);
  }
  const found = source.repositories(options.wanted, ({ where, error }) =>
    total.faults.push(fault(where, error)),
  );
  for await (const repository of found) {
    if (stop.reason) break;
    const working = one(repository).finally(() => running.delete(working));
    running.add(working);
    working.catch(() => {}); // awaited below
    if (running.size >= destination.bounds.repositories) await Promise.race(running);
  }
  await Promise.all(running);
}

function targetOf({ name }: SourceRepository, options: ImportOptions): RepositoryName | undefined {
  const { nameless } = options;
  const own = name ?? nameless;
  return own === undefined ? undefined : prefixed(own, options);
}

function prefixed(name: RepositoryName, { prefix }: ImportOptions): RepositoryName {
  return prefix === undefined ? name : parseRepositoryName(`${prefix}/${name}`);
}

function faultOf(where: string, error: unknown, signal: AbortSignal): Fault {
  const { code, message } = describeFailure(error, signal);
  return { where, code, message };
}
