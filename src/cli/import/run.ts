import { RegistryError } from "../../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/names.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import { createCollections } from "../collections.ts";
import { describeFailure } from "../failures.ts";
import type { ImportDestination } from "./destination.ts";
import type { ImportOptions } from "./options.ts";
import { createTally, type Fault, type ImportReport, type RepositoryReport, type Tally } from "./report.ts";
import { importRepository } from "./repository.ts";
import type { ImportSource, NamedSource, OnProblem, Problem, SourceRepository } from "./source.ts";
import { createStop, type Stop } from "./stop.ts";

/**
 * Imports what is wanted of several sources. What cannot be imported is reported, and the rest is done; it ends before
 * when the destination has no room, or an end of it cannot be reached any more.
 * @throws `signal.reason`; what a source throws that cannot be opened or listed at all, if there is no other
 */
export async function importAll(
  sources: readonly NamedSource[],
  destination: ImportDestination,
  options: ImportOptions,
): Promise<ImportReport> {
  const total = createTally();
  const stop = createStop();
  let repositories = 0;
  const found = new Set<RepositoryName>();
  const done = (report: RepositoryReport): void => {
    repositories += 1;
    total.add(report);
    options.onRepository(report);
  };
  let areListed = true;
  for (const { name, open } of sources) {
    if (stop.reason) break;
    try {
      const source = await open();
      areListed &&= source.listsRepositories;
      try {
        await importSource(source, destination, options, { total, stop, done, found });
      } finally {
        await source.close();
      }
    } catch (error) {
      options.signal.throwIfAborted();
      if (sources.length === 1 && repositories === 0) throw error;
      total.faults.push(faultOf(name, error, options.signal));
    }
  }
  if (areListed && !stop.reason) {
    const missing = missingOf(sources, options, found);
    total.faults.push(...missing.map(({ where, error }) => faultOf(where, error, options.signal)));
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

/** What was named and is in no source; a registry that is asked for it says so itself. */
function missingOf(
  sources: readonly NamedSource[],
  { wanted: { named = [] } }: ImportOptions,
  found: ReadonlySet<RepositoryName>,
): readonly Problem[] {
  const all = sources.map(({ name }) => name).join(", ");
  const error = new RegistryError("NAME_UNKNOWN", `there is no such repository in ${all}`);
  return named.filter((name) => !found.has(name)).map((where) => ({ where, error }));
}

interface SourceRun {
  readonly total: Tally;
  readonly stop: Stop;
  readonly done: (report: RepositoryReport) => void;
  /** The names of repositories in the sources so far. */
  readonly found: Set<RepositoryName>;
}

async function importSource(
  source: ImportSource,
  destination: ImportDestination,
  options: ImportOptions,
  run: SourceRun,
): Promise<void> {
  const { total, stop } = run;
  for (const { repository, blobs } of source.brought ?? []) {
    const target = prefixed(repository, options);
    for (const digest of blobs) destination.holds(digest, target);
  }
  const running = new Set<Promise<void>>();
  const repositories = source.repositories(options.wanted, ({ where, error }) =>
    total.faults.push(faultOf(where, error, options.signal)),
  );
  try {
    for await (const repository of repositories) {
      if (stop.reason) break;
      run.found.add(repository.repository);
      const working = importOne(source, repository, destination, options, run);
      running.add(working);
      const end = (): void => void running.delete(working);
      working.then(end, () => {}); // a failure stays, and is awaited below
      if (running.size >= destination.bounds.repositories) await Promise.race(running);
    }
    await Promise.all(running);
  } finally {
    await Promise.allSettled(running); // whoever closes an end of it must not do so beneath them
  }
}

async function importOne(
  source: ImportSource,
  repository: SourceRepository,
  destination: ImportDestination,
  options: ImportOptions,
  { total, stop, done }: SourceRun,
): Promise<void> {
  const { signal } = options;
  const tally = createTally();
  const collectAfter = createCollections();
  const onEvent = (event: CopyEvent): void => {
    collectAfter(event);
    options.onEvent(event);
  };
  const onProblem: OnProblem = ({ where, error }) => {
    signal.throwIfAborted();
    const fault = faultOf(where, error, signal);
    stop.note(error, fault);
    tally.faults.push(fault);
  };
  let target: RepositoryName;
  try {
    target = targetOf(repository, options);
  } catch (error) {
    total.faults.push(faultOf(source.name, error, signal));
    return;
  }
  await importRepository(
    { ...options, onEvent, destination, target, tally, onProblem, stop },
    source,
    repository,
  );
  const { faults, notes } = tally;
  done({ source: repository.repository, repository: target, ...tally.counts(), faults, notes: [...notes] });
}

/** @throws RegistryError NAME_INVALID */
function targetOf({ name }: SourceRepository, options: ImportOptions): RepositoryName {
  const own = name ?? options.nameless;
  if (own !== undefined) return prefixed(own, options);
  throw new RegistryError("NAME_INVALID", "its images have no repository in their names: give one with --as");
}

function prefixed(name: RepositoryName, { prefix }: ImportOptions): RepositoryName {
  return prefix === undefined ? name : parseRepositoryName(`${prefix}/${name}`);
}

function faultOf(where: string, error: unknown, signal: AbortSignal): Fault {
  const { code, message } = describeFailure(error, signal);
  return { where, code, message };
}
