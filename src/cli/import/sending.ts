import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Registry } from "../../registry/registry.ts";

/** Blobs on their way to one registry, or sent already, and to which of its repositories. */
export type Sending = Map<Digest, { readonly repository: RepositoryName; readonly sent: Promise<unknown> }>;

/**
 * A registry to which a blob is sent once, though several copies want to at the same time: the others wait, and then take
 * it from where it went.
 * @param onSent told the size of each blob that was sent
 */
export function sendingOnce(registry: Registry, sending: Sending, onSent: (size: number) => void): Registry {
  return {
    ...registry,
    async putBlob(repository, expected, body, options) {
      const { digest } = expected;
      for (let other = sending.get(digest); other; other = sending.get(digest)) {
        const isThere = await other.sent.then(
          () => true,
          () => false, // its own copy says why
        );
        if (!isThere) continue;
        const same = other.repository === repository;
        const { signal } = options ?? {};
        const asked = signal ? { signal } : {};
        const found = same
          ? await registry.resolveBlob(repository, digest, asked)
          : await registry.mountBlob(repository, digest, { from: other.repository, ...asked });
        if (!found) break;
        await body.cancel();
        return found;
      }
      const sent = registry.putBlob(repository, expected, body, options);
      sending.set(digest, { repository, sent });
      // What was sent stays known: who asked whether it is there before that comes here afterwards.
      sent.catch(() => {
        if (sending.get(digest)?.sent === sent) sending.delete(digest);
      });
      const stored = await sent;
      onSent(stored.size);
      return stored;
    },
  };
}
