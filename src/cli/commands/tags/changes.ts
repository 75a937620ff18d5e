import { isDigest } from "../../../oci/digests.ts";
import { parseTag } from "../../../oci/names.ts";
import { type Command, defineCommand, parseTyped, UsageError } from "../../command.ts";
import { changeTags, tagChangeFlags } from "../../management/tag-changes.ts";
import { requireTag, withTagPlace } from "../../management/tags.ts";

/** `berth tags move`. */
export const tagsMove: Command = defineCommand({
  operands: { reference: { value: "REPOSITORY:TAG", completion: "reference" }, to: { value: "TAG|DIGEST" } },
  flags: tagChangeFlags,
  description:
    "Points a tag at another image of its repository; floating tags follow, as the repository's rule says.",
  examples: [{ line: "berth tags move localhost:5000/gallery/ui:stable 2.1.3", does: "stable is 2.1.3" }],
  run: (context) =>
    withTagPlace(context, context.operands.reference, async (place) => {
      const { to } = context.operands;
      const target = isDigest(to) ? to : parseTyped(parseTag, to);
      return changeTags(context, place, "/tags/move", { tag: requireTag(place), to: target });
    }),
});

/** `berth tags rm`. */
export const tagsRm: Command = defineCommand({
  operands: {
    reference: { value: "REPOSITORY:TAG", completion: "reference" },
    more: { value: "TAG", optional: true, multiple: true },
  },
  flags: tagChangeFlags,
  description: `Deletes tags of one repository, all or none. Floating tags go to what is then the highest version. The images stay,
and berth tags undelete brings the tags back.`,
  run: (context) =>
    withTagPlace(context, context.operands.reference, async (place) => {
      const more = (context.operands.more ?? []).map((tag) => parseTyped(parseTag, tag));
      return changeTags(context, place, "/tags/delete", { tags: [requireTag(place), ...more] });
    }),
});

/** `berth tags rollback`. */
export const tagsRollback: Command = defineCommand({
  operands: { reference: { value: "REPOSITORY[:TAG]", completion: "reference" } },
  flags: {
    release: { type: "switch", summary: "take back all that the push of this tag moved" },
    ...tagChangeFlags,
  },
  description: `Takes back the last move of one tag; with --release, or of a repository alone, all that one release moved, as one
step: its version goes, and floating tags go to what is then the highest.`,
  examples: [
    { line: "berth tags rollback localhost:5000/gallery/ui", does: "takes the last release back" },
    { line: "berth tags rollback --release localhost:5000/gallery/ui:2.2.0", does: "takes 2.2.0 back" },
    { line: "berth tags rollback localhost:5000/gallery/ui:stable", does: "stable is what it was before" },
  ],
  run: (context) =>
    withTagPlace(context, context.operands.reference, async (place) => {
      const { tag, digest } = place.reference;
      if (digest)
        throw new UsageError("a digest cannot be rolled back: expected a repository, or a tag of it");
      if (tag === undefined) return changeTags(context, place, "/tags/rollback-release", {});
      const path = context.flags.release ? "/tags/rollback-release" : "/tags/rollback";
      return changeTags(context, place, path, { tag });
    }),
});

/** `berth tags undelete`. */
export const tagsUndelete: Command = defineCommand({
  operands: { reference: { value: "REPOSITORY:TAG|REPOSITORY@DIGEST", completion: "reference" } },
  flags: tagChangeFlags,
  description: `Brings back a tag that was deleted, rolled back or not retained, where it pointed last; or a manifest with the tags
that were deleted with it. This works until its content is collected.`,
  run: (context) =>
    withTagPlace(context, context.operands.reference, async (place) => {
      const { digest } = place.reference;
      if (digest) return changeTags(context, place, "/manifests/undelete", { digest });
      return changeTags(context, place, "/tags/undelete", { tag: requireTag(place) });
    }),
});
