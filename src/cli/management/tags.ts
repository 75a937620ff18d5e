import type { Client } from "../../client/client.ts";
import { parseDigest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { Tag } from "../../oci/names.ts";
import { familiarName, familiarReference, parseReference, type Reference } from "../../oci/references.ts";
import { type Context, parseTyped, type Surroundings, UsageError } from "../command.ts";
import { parseMoment } from "../durations.ts";
import { type Remotes, withRemotes } from "../locations/registries.ts";
import { type Management, type managementFlags, managementOf } from "./management.ts";
import { resolvedAnswer } from "./tag-answers.ts";

type TagContext = Surroundings & Pick<Context<typeof managementFlags>, "flags">;

/** A repository of a Berth, and perhaps a tag or a manifest in it. */
export interface TagPlace extends Management {
  readonly reference: Reference;
  /** As people write it, without tag and digest. */
  readonly name: string;
  readonly client: Client;
}

/** Lets a command work on tags of the repository that `typed` names. */
export function withTagPlace(
  context: TagContext,
  typed: string,
  act: (place: TagPlace) => Promise<number>,
): Promise<number> {
  return withRemotes(context, (remotes) => act(tagPlaceOf(context, remotes, typed)));
}

/** The place that `typed` names. */
export function tagPlaceOf({ signal }: Surroundings, remotes: Remotes, typed: string): TagPlace {
  const reference = parseTyped(parseReference, typed);
  const { registry, repository } = reference;
  const client = remotes.client(registry, { repository });
  return { ...managementOf(client, registry, signal), reference, client, name: familiarName(reference) };
}

/** @throws UsageError when no tag was typed */
export function requireTag({ reference }: TagPlace): Tag {
  if (reference.tag && !reference.digest) return reference.tag;
  const { registry, repository } = reference;
  throw new UsageError(`expected a tag, such as ${familiarReference({ registry, repository })}:2.1.3`);
}

/** The flag of commands that can take a tag as it was. */
export const atFlag = {
  at: {
    type: "text",
    value: "TIME",
    summary: "take the tag as it was then: 2026-11-25, 2026-11-25T09:00:00Z, or 7d for seven days ago",
  },
} as const;

/**
 * A reference whose tag is what it was at a time, by the history that a Berth keeps: then it has a digest and no tag.
 * @throws RegistryError MANIFEST_UNKNOWN; UNSUPPORTED when the registry keeps no history
 */
export async function referenceAt(
  { signal }: Surroundings,
  client: Client,
  reference: Reference,
  at: string | undefined,
): Promise<Reference> {
  if (at === undefined) return reference;
  const { registry, repository, tag, digest } = reference;
  if (digest || !tag) throw new UsageError("--at wants a tag: a digest is the same at all times");
  const time = parseMoment(at).toISOString();
  const shown = familiarReference(reference);
  const { ask } = managementOf(client, registry, signal);
  const found = await ask(
    {
      method: "GET",
      path: "/tags/resolve",
      query: { repository, tag, at: time },
      action: `find ${shown}`,
    },
    resolvedAnswer,
  );
  if (found.available) return { registry, repository, digest: parseDigest(found.digest) };
  throw new RegistryError(
    "MANIFEST_UNKNOWN",
    `${shown} was ${found.digest} at ${time}, which is deleted: berth tags undelete ${familiarName(reference)}@${found.digest}`,
  );
}
