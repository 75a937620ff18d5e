import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseRepositoryName } from "../../oci/names.ts";
import { createMemoryRegistry } from "../../registry/memory.ts";
import { type Context, defineCommand, parseTyped, UsageError } from "../command.ts";
import { dataFolderOf } from "../data-folders.ts";
import { type ImportDestination, registryDestination } from "../import/destination.ts";
import { openSource, recognizeSource, type SourceKind } from "../import/open-source.ts";
import { remoteReplay } from "../import/remote-replay.ts";
import { importAll } from "../import/run.ts";
import type { NamedSource } from "../import/source.ts";
import { refuseOverlap, withStoreDestination } from "../import/store-destination.ts";
import { parseList, parseWanted } from "../import/wanted.ts";
import { parseRegistry } from "../locations/operands.ts";
import { type Remotes, registryFlags, withRemotes } from "../locations/registries.ts";
import { createImportPrinter } from "../output/import.ts";
import { printWarning } from "../output/messages.ts";

const operands = { sources: { value: "SOURCE", multiple: true, completion: "registry" } } as const;
const flags = {
  to: {
    type: "text",
    value: "REGISTRY",
    summary: "import into this registry, by its API",
    completion: "registry",
  },
  data: {
    type: "text",
    value: "FOLDER",
    summary: "import into this data folder of a Berth on this machine, which may run meanwhile",
    completion: "folder",
  },
  repository: {
    type: "text",
    value: "PATTERN",
    multiple: true,
    summary: "only these repositories: team/*, team/**",
  },
  repositories: {
    type: "text",
    value: "FILE",
    summary: "only those that the file lists, one a line, without asking the source for its list",
    completion: "file",
  },
  tag: { type: "text", value: "PATTERN", multiple: true, summary: "only these tags: 1.*" },
  prefix: { type: "text", value: "NAME", summary: "put all repositories below this name" },
  as: { type: "text", value: "REPOSITORY", summary: "what images are called that have no name" },
  "keep-tags": { type: "switch", summary: "leave tags where they are that the destination has already" },
  "no-referrers": { type: "switch", summary: "leave out what refers to images: signatures, SBOMs" },
  "trust-digests": {
    type: "switch",
    summary: "with --data: do not read the source's files, take their names for their digests",
  },
  copy: { type: "switch", summary: "with --data: copy the source's files, where hard links could be made" },
  "dry-run": { type: "switch", summary: "only say what would be imported" },
  quiet: { type: "switch", short: "q", summary: "print only the report" },
  json: { type: "switch", summary: "print JSON: an object for each repository, and the report" },
  ...registryFlags,
} as const;

type ImportContext = Context<typeof flags, typeof operands>;

/** Where a Berth listens when nobody says otherwise. */
const usualRegistry = "localhost:5000";

/** `berth import`. */
export const importCommand = defineCommand({
  operands,
  flags,
  description: `A SOURCE is
  the data folder of a CNCF registry (docker-registry, distribution), such as /var/lib/registry
  a running registry, any, such as registry.example.com, or some repositories of it, registry.example.com/team/**
  an archive that docker save, podman save, skopeo or berth save wrote, or an OCI image layout in a folder

Digests stay what they are. A data folder goes into --data ./berth-data if nothing else is said, everything else into the
registry at localhost:5000. What is there is not moved again: the same command goes on where it ended. What cannot be
imported is reported, the rest is done, and the exit code is 1.`,
  examples: [
    {
      line: "berth import /var/lib/registry",
      does: "into ./berth-data, by hard links, every digest verified",
    },
    {
      line: "berth import registry.example.com --repository 'team/**' --to localhost:5000",
      does: "from a running registry",
    },
    { line: "berth import a.tar b.tar --to localhost:5000", does: "from archives" },
  ],
  run: (context) =>
    withRemotes(context, async (remotes) => {
      const { operands, cwd } = context;
      const kinds: SourceKind[] = [];
      for (const text of operands.sources) kinds.push(await recognizeSource(text, cwd));
      const sources = kinds.map(
        (kind, at): NamedSource => ({
          name: operands.sources[at] ?? "",
          open: () => openSource(kind, remotes, context),
        }),
      );
      const [only] = sources.length === 1 ? sources : [];
      const opened = await only?.open(); // why one alone cannot be opened is told before a data folder is made
      try {
        const ready = only && opened ? [{ ...only, open: async () => opened }] : sources;
        return await withDestination(context, remotes, kinds, (destination) =>
          importInto(context, ready, destination),
        );
      } finally {
        await opened?.close();
      }
    }),
});

function withDestination(
  context: ImportContext,
  remotes: Remotes,
  kinds: readonly SourceKind[],
  act: (destination: ImportDestination) => Promise<number>,
): Promise<number> {
  const { flags } = context;
  if (flags.to !== undefined && flags.data !== undefined) {
    throw new UsageError("--to and --data are two destinations: give one");
  }
  const folders = kinds.flatMap((each) => (each.kind === "registry-folder" ? [each.path] : []));
  const goesToStore = flags.data !== undefined || (flags.to === undefined && folders.length === kinds.length);
  if (!goesToStore) {
    for (const flag of ["trust-digests", "copy"] as const) {
      if (flags[flag]) throw new UsageError(`--${flag} goes with --data`);
    }
    const { registry, ...typed } = parseRegistry(flags.to ?? usualRegistry);
    const client = remotes.client(registry, typed);
    return act(registryDestination(registry, client, remoteReplay(client, context.signal)));
  }
  const folder = dataFolderOf(context);
  for (const source of folders) refuseOverlap(source, folder);
  // Looking must not make a data folder.
  if (flags["dry-run"] && !existsSync(folder))
    return act(registryDestination(folder, createMemoryRegistry(), async () => []));
  const options = {
    links: folders.length === kinds.length && !flags.copy,
    trusts: flags["trust-digests"],
    sources: flags["dry-run"] ? undefined : context.operands.sources,
    troubled: (what: string) => printWarning(context, what),
  };
  return withStoreDestination(folder, options, act);
}

async function importInto(
  { flags, stdout, signal, cwd }: ImportContext,
  sources: readonly NamedSource[],
  destination: ImportDestination,
): Promise<number> {
  const list =
    flags.repositories === undefined
      ? undefined
      : parseList(await readFile(resolve(cwd, flags.repositories), "utf8"));
  const dryRun = flags["dry-run"];
  const printer = createImportPrinter(stdout, { json: flags.json, quiet: flags.quiet, dryRun });
  const report = await importAll(sources, destination, {
    wanted: parseWanted({ repositories: flags.repository, tags: flags.tag, list }),
    dryRun,
    keepsTags: flags["keep-tags"],
    referrers: !flags["no-referrers"],
    prefix: flags.prefix === undefined ? undefined : parseTyped(parseRepositoryName, flags.prefix),
    nameless: flags.as === undefined ? undefined : parseTyped(parseRepositoryName, flags.as),
    signal,
    onRepository: printer.onRepository,
    onEvent: printer.onEvent,
  });
  printer.end(report);
  return report.faults.length === 0 && !report.stopped ? 0 : 1;
}
