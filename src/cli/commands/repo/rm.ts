import { familiarName } from "../../../oci/references.ts";
import { type Context, defineCommand, UsageError } from "../../command.ts";
import { parseRepository } from "../../locations/operands.ts";
import { registryFlags, withRemotes } from "../../locations/registries.ts";
import {
  planRepositoryRemoval,
  type RepositoryRemoval,
  removeManifests,
} from "../../locations/repository-removal.ts";
import { writeJson } from "../../output/json.ts";
import { counted } from "../../output/units.ts";

const operands = { repository: { value: "REPOSITORY", completion: "reference" } } as const;
const flags = {
  force: { type: "switch", short: "f", summary: "do not ask" },
  "dry-run": { type: "switch", summary: "only say what would be deleted" },
  json: { type: "switch", summary: "print the result as JSON" },
  ...registryFlags,
} as const;

type RemovalContext = Context<typeof flags, typeof operands>;

/** `berth repo rm`. */
export const repoRm = defineCommand({
  operands,
  flags,
  description: `Deletes what the tags of the repository point at, what that lists, and what refers to it. The registry keeps blobs
until it collects what nobody needs; until then, a Berth brings all of it back with "berth repo undelete".`,
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const reference = parseRepository(operands.repository);
      const { registry, repository } = reference;
      const remote = client(registry, { repository });
      const removal = await planRepositoryRemoval(remote, repository, signal);
      const name = familiarName(reference);
      const isReal = !flags["dry-run"];
      if (isReal && !(await isConfirmed(context, name, removal))) {
        stdout.write("Nothing was deleted\n");
        return 1;
      }
      if (isReal) await removeManifests(remote, repository, removal, signal);
      if (flags.json) writeJson(stdout, { repository: name, isDeleted: isReal, ...removal });
      else stdout.write(`${isReal ? "Deleted" : "Would delete"} ${name}: ${describe(removal)}\n`);
      return 0;
    }),
});

async function isConfirmed(
  { flags, stdin, signal }: RemovalContext,
  name: string,
  removal: RepositoryRemoval,
): Promise<boolean> {
  if (flags.force) return true;
  if (!stdin.isTerminal) {
    throw new UsageError(
      "nobody can be asked, as standard input is no terminal: use --force, or --dry-run to see what it does",
    );
  }
  const prompt = `Delete ${name} with ${describe(removal)}? [y/N] `;
  const answer = await stdin.readLine({ prompt, echo: true, signal });
  return /^y(es)?$/i.test(answer?.trim() ?? "");
}

function describe({ tags, manifests }: RepositoryRemoval): string {
  return `${counted(tags.length, "tag")} and ${counted(manifests.length, "manifest")}`;
}
