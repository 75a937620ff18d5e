import type { Digest } from "../../../../oci/digests.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { LineHead, TagEvent, TagFacts, TagPolicy } from "../../tag-policy.ts";
import type { TagRow, TagRows } from "./rows.ts";
import type { VersionLines } from "./version-lines.ts";

/** Facts with the rows that they were read from: a policy asks for every tag that it may move. */
export interface Facts extends TagFacts {
  readonly tags: ReadonlyMap<Tag, TagRow>;
}

/** The answers to what a policy asks about an event, read inside its transaction; each row once. */
export function readFacts(
  { rows, lines }: { readonly rows: TagRows; readonly lines: VersionLines },
  { repositoryId, event }: { readonly repositoryId: number; readonly event: TagEvent },
  policy: TagPolicy,
): Facts {
  const questions = policy.ask(event);
  const read = new Map<Tag, TagRow | undefined>();
  const find = (tag: Tag): TagRow | undefined => {
    if (!read.has(tag)) read.set(tag, rows.find(repositoryId, tag));
    return read.get(tag);
  };
  const tags = new Map<Tag, TagRow>();
  for (const tag of questions.tags) {
    const row = find(tag);
    if (row) tags.set(tag, row);
  }
  const pasts = new Map<Tag, Digest>();
  for (const tag of questions.pasts) {
    const row = tags.has(tag) ? undefined : rows.last(repositoryId, tag);
    if (row) pasts.set(tag, row.digest);
  }
  const without = new Set(event.changes.map(({ tag }) => tag));
  const heads = new Map<Tag, LineHead>();
  for (const line of questions.lines) {
    const head = lines.highest(repositoryId, policy.versions, line, without);
    const row = head && find(head.tag);
    if (row) heads.set(line, { ...head, digest: row.digest });
  }
  return { tags, pasts, heads };
}
