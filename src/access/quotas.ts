import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { literalPrefix, matchesRepository, type RepositoryPattern } from "../oci/repository-patterns.ts";
import type { Registry } from "../registry/registry.ts";
import type { Metadata } from "../store/metadata/metadata.ts";

/** The most bytes that the repositories which match may hold together. */
export interface Quota {
  readonly repositories: readonly RepositoryPattern[];
  readonly bytes: number;
}

/** What a quota's repositories hold. */
interface Usage {
  bytes: number;
  /** The three that hold the most. */
  readonly largest: readonly { readonly repository: RepositoryName; readonly bytes: number }[];
  readonly countedAt: number;
}

/** What is known of a quota. */
interface Account {
  readonly quota: Quota;
  usage: Usage | undefined;
  counting: Promise<Usage> | undefined;
  /** Bytes that are being stored now. */
  pending: number;
}

/** What others push is seen after so long; what this process pushes, at once. */
const recountMs = 2000;
const readAtOnce = 1000;

type Figures = Pick<Metadata, "listUsage" | "findLinkedBlob" | "findBlob">;

/**
 * A registry that takes no more than its quotas allow. A blob that several repositories hold counts in each. Sums are
 * kept in memory and counted again after two seconds, so that pushes through several workers can go over a quota by what
 * they send within that time.
 */
export function limitStorage(
  inner: Registry,
  quotas: readonly Quota[],
  metadata: Figures,
  now: () => number = Date.now,
): Registry {
  const within = createReservations(quotas, metadata, now);
  return {
    ...inner,
    // Whether all of it fits shows at its end; here, whether anything does.
    startUpload: (repository, options) =>
      within(repository, 1, async () => ({ done: await inner.startUpload(repository, options), bytes: 0 })),
    async putBlob(repository, expected, body, options) {
      const put = () => inner.putBlob(repository, expected, body, options);
      if (await metadata.findLinkedBlob(repository, expected.digest)) return put();
      return within(repository, expected.size ?? 1, async () => {
        const done = await put();
        return { done, bytes: done.size };
      });
    },
    async finishUpload(repository, id, digest, options) {
      const finish = () => inner.finishUpload(repository, id, digest, options);
      if (await metadata.findLinkedBlob(repository, digest)) return finish();
      const { offset } = await inner.getUpload(repository, id, options);
      return within(repository, offset, async () => ({ done: await finish(), bytes: offset }));
    },
    // What does not fit is not mounted: the upload that follows says why.
    async mountBlob(repository, digest, options) {
      const blob = await metadata.findBlob(digest);
      if (!blob) return undefined;
      try {
        return await within(repository, blob.size, async () => {
          const done = await inner.mountBlob(repository, digest, options);
          return { done, bytes: done?.size ?? 0 };
        });
      } catch (error) {
        if (isRegistryError(error, "DENIED")) return undefined;
        throw error;
      }
    },
    putManifest: (repository, input, options) => {
      const bytes = input.bytes.byteLength;
      return within(repository, bytes, async () => ({
        done: await inner.putManifest(repository, input, options),
        bytes,
      }));
    },
  };
}

/** Does something that adds bytes, or throws DENIED when they do not fit. It says how many it added. */
type Reservations = <T>(
  repository: RepositoryName,
  bytes: number,
  act: () => Promise<{ readonly done: T; readonly bytes: number }>,
) => Promise<T>;

function createReservations(quotas: readonly Quota[], metadata: Figures, now: () => number): Reservations {
  const accounts: readonly Account[] = quotas.map((quota) => ({
    quota,
    usage: undefined,
    counting: undefined,
    pending: 0,
  }));
  const recount = (account: Account): Promise<Usage> => {
    account.counting ??= count(account.quota, metadata, now())
      .then((usage) => {
        account.usage = usage;
        return usage;
      })
      .finally(() => {
        account.counting = undefined;
      });
    return account.counting;
  };
  const isFresh = ({ usage }: Account) => usage !== undefined && now() - usage.countedAt < recountMs;

  /** Looks and reserves without anything coming between. */
  const reserve = (concerned: readonly Account[], bytes: number): Account | undefined => {
    const full = concerned.find(
      ({ quota, usage, pending }) => (usage?.bytes ?? 0) + pending + bytes > quota.bytes,
    );
    if (!full) for (const account of concerned) account.pending += bytes;
    return full;
  };

  return async (repository, bytes, act) => {
    const concerned = accounts.filter(({ quota }) => matches(quota, repository));
    await Promise.all(concerned.map((account) => isFresh(account) || recount(account)));
    const full = reserve(concerned, bytes);
    if (full) {
      await recount(full); // something may have been deleted
      const still = reserve(concerned, bytes);
      if (still) throw exceeded(still, bytes);
    }
    let added = 0;
    try {
      const { done, bytes: stored } = await act();
      added = stored;
      return done;
    } finally {
      for (const account of concerned) {
        account.pending -= bytes;
        if (account.usage) account.usage.bytes += added;
      }
    }
  };
}

function matches({ repositories }: Quota, repository: string): boolean {
  return repositories.some((pattern) => matchesRepository(pattern, repository));
}

async function count(quota: Quota, metadata: Pick<Metadata, "listUsage">, countedAt: number): Promise<Usage> {
  let bytes = 0;
  let largest: Usage["largest"] = [];
  const prefixes = quota.repositories.map((pattern) => literalPrefix(pattern).replace(/\/$/, ""));
  const first = prefixes.sort()[0] ?? "";
  let after: string | undefined = first.slice(0, -1);
  while (after !== undefined) {
    const page = await metadata.listUsage({ after, limit: readAtOnce });
    for (const item of page.items) {
      if (!matches(quota, item.repository)) continue;
      bytes += item.bytes;
      largest = [...largest, item].sort((a, b) => b.bytes - a.bytes).slice(0, 3);
    }
    const { next }: { next?: string } = page;
    const mayFollow =
      next !== undefined && prefixes.some((prefix) => next < prefix || next.startsWith(prefix));
    after = mayFollow ? next : undefined;
  }
  return { bytes, largest, countedAt };
}

function exceeded({ quota, usage, pending }: Account, more: number): RegistryError {
  const bytes = (usage?.bytes ?? 0) + pending;
  const largest = usage?.largest ?? [];
  const names = quota.repositories.join(", ");
  const wants = more > 1 ? `, and this would add ${binarySize(more)}` : "";
  const big = largest.map((item) => `${item.repository} (${binarySize(item.bytes)})`).join(", ");
  return new RegistryError(
    "DENIED",
    `the quota of ${names} is used up: ${binarySize(bytes)} of ${binarySize(quota.bytes)}${wants}. ` +
      `To free space, delete images and blobs that are not needed; the most is in ${big || "no repository yet"}`,
    { detail: { used: bytes, limit: quota.bytes } },
  );
}

/** `1.5 GiB`, as quotas are written. */
export function binarySize(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1))} ${names[power]}`;
}
