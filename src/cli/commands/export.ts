import { resolve } from "node:path";
import type { Client } from "../../client/client.ts";
import { writeArchive } from "../../layout/archive/files.ts";
import { openArchive } from "../../layout/archive/open.ts";
import { archiveOfContents } from "../../layout/archive/write.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import { type Context, defineCommand, UsageError } from "../command.ts";
import { type Collected, collectRepository, isThere } from "../export/collect.ts";
import { documentName, type ExportDocument, parseExport } from "../export/document.ts";
import { planExport } from "../export/plan.ts";
import { recognizeSource, type SourceKind } from "../import/open-source.ts";
import { registrySource } from "../import/registry-source.ts";
import { chooseTags, parseWanted } from "../import/wanted.ts";
import { writeJson } from "../output/json.ts";
import { printWarning } from "../output/messages.ts";
import { counted, formatSize } from "../output/units.ts";
import { type Remotes, registryFlags, withRemotes } from "../registries.ts";

const operands = {
  repositories: { value: "REGISTRY/REPOSITORY", multiple: true, completion: "reference" },
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
berth import reads all of it. With --since it holds what changed, and is imported where the one before was.`,
  examples: [
    { line: "berth export localhost:5000/team/** -o team.tar", does: "everything below team" },
    {
      line: "berth export localhost:5000/team/** --since team.tar -o tuesday.tar",
      does: "what is new since, and what is gone",
    },
  ],
  run: (context) => withRemotes(context, (remotes) => exportAll(context, remotes)),
});

async function exportAll(context: ExportContext, remotes: Remotes): Promise<number> {
  const { flags, operands, cwd, signal, stdout } = context;
  if (flags.output === undefined) throw new UsageError("there is no archive to write: use --output");
  const base = flags.since === undefined ? undefined : await readBase(resolve(cwd, flags.since));
  const kinds: RegistryKind[] = [];
  for (const text of operands.repositories) kinds.push(await registryKind(text, cwd));
  const { registry, ...typed } = kinds[0]?.registry ?? { registry: "" as RegistryName }; // there is one operand at least
  if (kinds.some((kind) => kind.registry.registry !== registry)) {
    throw new UsageError("one archive holds repositories of one registry: export each registry by itself");
  }
  const client = remotes.client(registry, typed);
  const repositories: Collected[] = [];
  for (const kind of kinds) repositories.push(...(await collectKind(context, client, kind, base)));
  if (repositories.length === 0 && !base) {
    throw new RegistryError(
      "NAME_UNKNOWN",
      `there is nothing to export: ${operands.repositories.join(", ")}`,
    );
  }
  const unique = [...new Map(repositories.map((each) => [each.repository, each])).values()];
  if (unique.some(({ history }) => !history)) {
    printWarning(context, `${registry} shows no history of tags: the archive has where they point now`);
  }
  const gone = await findGone(context, client, unique, base);
  const { contents, document } = planExport({ registry, repositories: unique, gone, base });
  const path = resolve(cwd, flags.output);
  const size = await writeArchive(path, archiveOfContents(contents, { signal }), { signal });
  const { manifests, blobs } = contents;
  const counts = { repositories: document.repositories.length, manifests: manifests.size, blobs: blobs.size };
  if (flags.json) writeJson(stdout, { file: path, size, id: document.id, since: document.since, ...counts });
  else {
    stdout.write(
      `${flags.output}: ${counted(counts.repositories, "repository", "repositories")}, ${manifests.size} manifests, ` +
        `${blobs.size} blobs, ${formatSize(size)}\n`,
    );
  }
  return 0;
}

async function readBase(path: string): Promise<ExportDocument> {
  const bytes = await (await openArchive(path)).readFile(documentName);
  if (bytes) return parseExport(bytes, path);
  throw new UsageError(`${path} was not written by berth export: --since wants an archive that was`);
}

async function registryKind(text: string, cwd: string): Promise<RegistryKind> {
  const kind = await recognizeSource(text, cwd);
  if (kind.kind === "registry" && kind.pattern !== undefined) return kind;
  throw new UsageError(
    `${text} is no repository of a registry: expected for example localhost:5000/team/app`,
  );
}

async function collectKind(
  { flags, signal }: ExportContext,
  client: Client,
  { pattern }: RegistryKind,
  base: ExportDocument | undefined,
): Promise<readonly Collected[]> {
  const wanted = parseWanted({ repositories: [], tags: flags.tag, list: undefined });
  const source = registrySource(client, pattern, signal);
  const failed = ({ error }: { readonly error: unknown }): never => {
    throw error; // an archive is whole or not at all
  };
  const collected: Collected[] = [];
  for await (const { repository, contents } of source.repositories(wanted, failed)) {
    const before = base?.repositories.find((each) => each.repository === repository);
    const found = await contents(failed).catch((error: unknown) => {
      if (!before || !isRegistryError(error, "NAME_UNKNOWN")) throw error; // else it is gone since
    });
    if (!found) continue;
    const chosen = new Map([...chooseTags(found.tags, wanted)].map(([tag, { digest }]) => [tag, digest]));
    const options = { referrers: !flags["no-referrers"], tag: wanted.tag, signal };
    collected.push(await collectRepository(client, repository, chosen, before, options));
  }
  return collected;
}

/** Manifests of the archive before that are not there any more. */
async function findGone(
  { signal }: ExportContext,
  client: Client,
  now: readonly Collected[],
  base: ExportDocument | undefined,
): Promise<ReadonlyMap<RepositoryName, readonly Digest[]>> {
  const gone = new Map<RepositoryName, readonly Digest[]>();
  for (const { repository, manifests } of base?.repositories ?? []) {
    const present = now.find((each) => each.repository === repository)?.gathered.manifests;
    const missing: Digest[] = [];
    for (const digest of manifests) {
      if (!present?.has(digest) && !(await isThere(client, repository, digest, signal))) missing.push(digest);
    }
    gone.set(repository, missing);
  }
  return gone;
}
