import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { openArchive } from "../../layout/archive/open.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { looksLikeRegistry } from "../../oci/references.ts";
import { parseRepositoryPattern, type RepositoryPattern } from "../../oci/repository-patterns.ts";
import { type Context, defineCommand, parseTyped, UsageError } from "../command.ts";
import { dataFlag } from "../data-folders.ts";
import { collectAll } from "../export/collect-all.ts";
import type { OnDamage } from "../export/damage.ts";
import { documentName, type ExportDocument, parseExport } from "../export/document.ts";
import { type ExportSource, remoteExportSource, withStoreExportSource } from "../export/source.ts";
import { type WrittenExport, writeExport } from "../export/write.ts";
import { describeFailure } from "../failures.ts";
import { recognizeSource, type SourceKind } from "../import/open-source.ts";
import { parseWanted } from "../import/wanted.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";
import { writeJson } from "../output/json.ts";
import { printWarning } from "../output/messages.ts";
import { counted, formatSize } from "../output/units.ts";

const operands = {
  repositories: { value: "[REGISTRY/]REPOSITORY", multiple: true, completion: "reference" },
} as const;
const flags = {
  output: { type: "text", short: "o", value: "FILE", summary: "the archive to write", completion: "file" },
  since: {
    type: "text",
    value: "ARCHIVE",
    summary: "write what changed since this archive, which was exported before",
    completion: "file",
  },
  tag: { type: "text", value: "PATTERN", multiple: true, summary: "only these tags: 1.*" },
  "no-referrers": { type: "switch", summary: "leave out what refers to images: signatures, SBOMs" },
  data: {
    ...dataFlag.data,
    summary: "export from this data folder; repositories are then named alone",
    otherwise: "a registry",
  },
  json: { type: "switch", summary: "print the result as JSON" },
  ...registryFlags,
} as const;

type ExportContext = Context<typeof flags, typeof operands>;
type RegistryKind = Extract<SourceKind, { kind: "registry" }>;

/** `berth export`. */
export const exportCommand = defineCommand({
  operands,
  flags,
  description: `Writes repositories, which may be patterns such as localhost:5000/team/**, into one archive with their tags, what refers
to images, and, from a Berth, the history of the tags. The archive is an OCI image layout that other programs read too;
berth import reads all of it. With --since it holds what changed, and is imported where the one before was. With --data
the repositories of a data folder are written, whether its server runs or not.`,
  examples: [
    { line: "berth export 'localhost:5000/team/**' -o team.tar", does: "everything below team" },
    {
      line: "berth export 'localhost:5000/team/**' --since team.tar -o tuesday.tar",
      does: "what is new since, and what is gone",
    },
    { line: "berth export --data /var/lib/berth 'team/**' -o team.tar", does: "likewise, without a server" },
  ],
  async run(context) {
    const { flags, operands, cwd, signal } = context;
    if (flags.output === undefined) throw new UsageError("there is no archive to write: use --output");
    const existing = await stat(resolve(cwd, flags.output)).catch(() => undefined); // writing says what else is wrong
    if (existing?.isDirectory()) throw new UsageError(`--output ${flags.output} is a folder: name a file`);
    if (flags.since !== undefined && resolve(cwd, flags.since) === resolve(cwd, flags.output)) {
      throw new UsageError(
        `--output would replace ${flags.since}, which has to be imported before what changed since: name another file`,
      );
    }
    const base = flags.since === undefined ? undefined : await readBase(resolve(cwd, flags.since));
    refuseOtherTags(flags.tag, base);
    if (flags.data !== undefined) {
      const patterns = operands.repositories.map((text) => parseTyped(parseRepositoryPattern, text));
      return withStoreExportSource(context, (source) => exportAll(context, source, patterns, base));
    }
    const kinds: RegistryKind[] = [];
    for (const text of operands.repositories) kinds.push(await registryKind(text, cwd));
    const [first] = kinds;
    if (!first || kinds.some((kind) => kind.registry.registry !== first.registry.registry)) {
      throw new UsageError("one archive holds repositories of one registry: export each registry by itself");
    }
    const { registry, ...typed } = first.registry;
    return withRemotes(context, (remotes) => {
      const source = remoteExportSource(remotes.client(registry, typed), signal);
      const patterns = kinds.flatMap(({ pattern }) => pattern ?? []);
      return exportAll(context, source, patterns, base);
    });
  },
});

async function exportAll(
  context: ExportContext,
  source: ExportSource,
  patterns: readonly RepositoryPattern[],
  base: ExportDocument | undefined,
): Promise<number> {
  const { flags, operands, cwd, signal } = context;
  const { output = "", tag: tagPatterns } = flags;
  const wanted = parseWanted({ repositories: [], tags: tagPatterns, list: undefined });
  const faults: { where: string; code: string; message: string }[] = [];
  const onDamage: OnDamage = (where, error) => {
    const { code, message } = describeFailure(error, signal);
    faults.push({ where, code, message });
    printWarning(context, `left out, with what needs it: ${where}: ${message}`);
  };
  const asked = { patterns, wanted, referrers: !flags["no-referrers"], base, signal, onDamage };
  const repositories = await collectAll(source, asked);
  if (repositories.length === 0 && !base) {
    throw new RegistryError(
      "NAME_UNKNOWN",
      `there is nothing to export: ${operands.repositories.join(", ")}`,
    );
  }
  const { registry } = source.registry;
  if (repositories.some(({ tags, history }) => tags.size > 0 && !history)) {
    printWarning(context, `${registry} shows no history of tags: the archive has where they point now`);
  }
  const path = resolve(cwd, output);
  const input = { registry, repositories, base, tagPatterns };
  const written = await writeExport(input, path, { signal, onDamage });
  printWritten(context, path, written, faults);
  return faults.length > 0 ? 1 : 0;
}

function printWritten(
  { flags, stdout }: ExportContext,
  path: string,
  { contents, document, size, repositories }: WrittenExport,
  faults: readonly object[],
): void {
  const { manifests, blobs } = contents;
  const counts = { repositories: document.repositories.length, manifests: manifests.size, blobs: blobs.size };
  const leftOut = repositories.flatMap(({ repository, leftOut }) =>
    [...leftOut].map((tag) => `${repository}:${tag}`),
  );
  if (flags.json) {
    const { id, since } = document;
    writeJson(stdout, { file: path, size, id, since, ...counts, leftOut, faults });
    return;
  }
  const without = leftOut.length > 0 ? `, without ${leftOut.join(", ")}` : "";
  stdout.write(
    `${flags.output}: ${counted(counts.repositories, "repository", "repositories")}, ` +
      `${counted(manifests.size, "manifest")}, ${counted(blobs.size, "blob")}, ${formatSize(size)}${without}\n`,
  );
}

async function readBase(path: string): Promise<ExportDocument> {
  const bytes = await (await openArchive(path)).readFile(documentName);
  if (bytes) return parseExport(bytes, path);
  throw new UsageError(`${path} was not written by berth export: --since wants an archive that was`);
}

/** What changed of other tags than those of before nobody can say. @throws UsageError */
function refuseOtherTags(patterns: readonly string[], base: ExportDocument | undefined): void {
  const before = base?.tagPatterns;
  if (!before || [...before].sort().join(" ") === [...patterns].sort().join(" ")) return;
  const same = before.map((pattern) => `--tag ${quote(pattern)}`).join(" ");
  throw new UsageError(
    `the archive before was exported with ${same || "every tag"}: ${same ? "give the same" : "leave out --tag"}`,
  );
}

async function registryKind(text: string, cwd: string): Promise<RegistryKind> {
  if (!looksLikeRegistry(text.split("/", 1)[0] ?? "")) {
    throw new UsageError(
      `${quote(text)} names no registry: put it before, such as localhost:5000/${text}, or name a data folder with --data`,
    );
  }
  const kind = await recognizeSource(text, cwd);
  if (kind.kind === "registry" && kind.pattern !== undefined) return kind;
  throw new UsageError(
    `${text} is no repository of a registry: expected for example localhost:5000/team/app, or localhost:5000/** for all`,
  );
}
