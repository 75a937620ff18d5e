import { isRegistryError } from "../../../oci/errors.ts";
import { defineCommand } from "../../command.ts";
import { parseMoment } from "../../durations.ts";
import { parseRepository } from "../../locations/operands.ts";
import { type DeletedManifest, deletedAnswer, outcomeAnswer } from "../../management/tag-answers.ts";
import { tagChangeFlags } from "../../management/tag-changes.ts";
import { type TagPlace, withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { counted } from "../../output/units.ts";

/** What came back, or would. */
interface Undeletion {
  readonly manifests: readonly string[];
  readonly tags: readonly string[];
  /** Manifests that cannot come back, and why. */
  readonly failed: readonly { readonly digest: string; readonly why: string }[];
}

/** `berth repo undelete`. */
export const repoUndelete = defineCommand({
  operands: { repository: { value: "REPOSITORY", completion: "reference" } },
  flags: {
    since: {
      type: "text",
      value: "TIME",
      summary: "only what was deleted since then: 1h for an hour ago, 2026-11-25, 2026-11-25T09:00:00Z",
      otherwise: "all that can be brought back",
    },
    ...tagChangeFlags,
  },
  description: `Brings back deleted manifests with the tags that were deleted with them; tags that are there stay where they are. This
works for the time that the server is set to (gc: grace), a day if nothing is said. Exit code 1 when something cannot come
back.`,
  examples: [
    {
      line: "berth repo undelete localhost:5000/team/ui --since 10m",
      does: "takes back what was deleted just now",
    },
  ],
  run: (context) => {
    const { flags, operands, stdout, stderr } = context;
    parseRepository(operands.repository);
    const since = flags.since === undefined ? 0 : parseMoment(flags.since).getTime();
    return withTagPlace(context, operands.repository, async (place) => {
      const deleted = await listDeleted(place);
      const wanted = deleted.filter(({ deletedAt }) => Date.parse(deletedAt) >= since);
      const undeletion = await undelete(place, wanted, flags["dry-run"]);
      const { manifests, tags, failed } = undeletion;
      if (flags.json) writeJson(stdout, { repository: place.name, isDone: !flags["dry-run"], ...undeletion });
      else {
        const what = `${counted(tags.length, "tag")} and ${counted(manifests.length, "manifest")}`;
        stdout.write(`${flags["dry-run"] ? "Would bring" : "Brought"} back ${place.name}: ${what}\n`);
        for (const { digest, why } of failed) stderr.write(`berth: ${digest} cannot come back: ${why}\n`);
      }
      return failed.length > 0 ? 1 : 0;
    });
  },
});

/** All that can be brought back, what was deleted last first: what an index lists before it. */
async function listDeleted({ ask, reference, name }: TagPlace): Promise<readonly DeletedManifest[]> {
  const found: DeletedManifest[] = [];
  let last: string | undefined;
  do {
    const query = { repository: reference.repository, n: 500, last };
    const action = `list what was deleted from ${name}`;
    const page = await ask({ method: "GET", path: "/manifests/deleted", query, action }, deletedAnswer);
    found.push(...page.manifests);
    last = page.next;
  } while (last !== undefined);
  return found.toSorted((one, other) => Date.parse(other.deletedAt) - Date.parse(one.deletedAt));
}

async function undelete(
  { ask, reference, name }: TagPlace,
  deleted: readonly DeletedManifest[],
  dryRun: boolean,
): Promise<Undeletion> {
  const manifests: string[] = [];
  const tags = new Set<string>();
  const failed: { digest: string; why: string }[] = [];
  for (const { digest } of deleted) {
    const body = { repository: reference.repository, digest, dryRun };
    const action = `bring back ${name}@${digest}`;
    try {
      const request = { method: "POST", path: "/manifests/undelete", body, action } as const;
      const { lines } = await ask(request, outcomeAnswer);
      manifests.push(digest);
      for (const { tag, to } of lines) if (to === digest) tags.add(tag);
    } catch (error) {
      if (isRegistryError(error, "REQUEST_INVALID")) continue; // it came back with an index that lists it
      if (!isRegistryError(error, "MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN")) throw error;
      failed.push({ digest, why: error.message });
    }
  }
  return { manifests, tags: [...tags], failed };
}
