import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { literalPrefix, matchesRepository, type RepositoryPattern } from "../oci/repository-patterns.ts";
import type { Registry } from "../registry/registry.ts";
import type { Metadata } from "../store/metadata/metadata.ts";

/** The most bytes that the repositories which match may hold together. */
export interface Quota {
  readonly repositories: readonly RepositoryPattern[];
  readonly bytes: number;
}

interface Usage {
  bytes: number;
  /** The three that hold the most. */
  readonly largest: readonly { readonly repository: RepositoryName; readonly bytes: number }[];
  readonly countedAt: number;
}

/** What others push is seen after so long; what this process pushes, at once. */
const recountMs = 2000;
const readAtOnce = 1000;

/**
 * A registry that takes no more than its quotas allow. A blob that several repositories hold counts in each. Sums are
 * kept in memory and counted again after two seconds, so that pushes through several workers can go over a quota by what
 * they send within that time.
 */
export function limitStorage(
  inner: Registry,
  quotas: readonly Quota[],
  metadata: Pick<Metadata, "listUsage" | "findLinkedBlob">,
  now: () => number = Date.now,
): Registry {
  const usages = new Map<Quota, Usage>();
  const recount = async (quota: Quota): Promise<Usage> => {
    const counted = await count(quota, metadata, now());
    usages.set(quota, counted);
    return counted;
  };
  const usageOf = async (quota: Quota): Promise<Usage> => {
    const known = usages.get(quota);
    return known && now() - known.countedAt < recountMs ? known : recount(quota);
  };
  /** @throws RegistryError DENIED when `more` bytes do not fit */
  const check = async (repository: RepositoryName, more: number): Promise<void> => {
    for (const quota of quotas) {
      if (!matches(quota, repository)) continue;
      if ((await usageOf(quota)).bytes + more <= quota.bytes) continue;
      const usage = await recount(quota); // something may have been deleted
      if (usage.bytes + more > quota.bytes) throw exceeded(quota, usage, more);
    }
  };
  const add = (repository: RepositoryName, bytes: number): void => {
    for (const [quota, usage] of usages) if (matches(quota, repository)) usage.bytes += bytes;
  };
  /** Does what adds so many bytes, unless the repository has them already or they do not fit. */
  const within = async <T>(repository: RepositoryName, bytes: number, act: () => Promise<T>): Promise<T> => {
    await check(repository, bytes);
    const result = await act();
    add(repository, bytes);
    return result;
  };
  return {
    ...inner,
    async startUpload(repository, options) {
      await check(repository, 1);
      return inner.startUpload(repository, options);
    },
    putBlob: async (repository, expected, body, options) => {
      if (await metadata.findLinkedBlob(repository, expected.digest))
        return inner.putBlob(repository, expected, body, options);
      return within(repository, expected.size ?? 1, () => inner.putBlob(repository, expected, body, options));
    },
    async finishUpload(repository, id, digest, options) {
      if (await metadata.findLinkedBlob(repository, digest))
        return inner.finishUpload(repository, id, digest, options);
      const { offset } = await inner.getUpload(repository, id, options);
      return within(repository, offset, () => inner.finishUpload(repository, id, digest, options));
    },
    async mountBlob(repository, digest, options) {
      await check(repository, 1);
      const mounted = await inner.mountBlob(repository, digest, options);
      if (mounted) add(repository, mounted.size);
      return mounted;
    },
    putManifest: (repository, input, options) =>
      within(repository, input.bytes.byteLength, () => inner.putManifest(repository, input, options)),
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

function exceeded(quota: Quota, { bytes, largest }: Usage, more: number): RegistryError {
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
