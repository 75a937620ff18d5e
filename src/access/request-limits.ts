import { RegistryError } from "../oci/errors.ts";
import type { Registry } from "../registry/registry.ts";
import { dropOldest } from "./bounded.ts";
import { actorOf, type Caller } from "./identities.ts";

/** How much somebody may ask for; what is absent is not limited. */
export interface RequestLimit {
  /** Accounts' names, `group:NAME`, `anonymous`, or `*` for everybody. */
  readonly who: readonly string[];
  /** Manifests that are fetched. */
  readonly pullsPerMinute?: number | undefined;
  /** Manifests that are stored. */
  readonly pushesPerMinute?: number | undefined;
  readonly openUploads?: number | undefined;
  /** Of blobs, sent and received. */
  readonly bytesPerHour?: number | undefined;
}

/** What one caller has left. */
export interface Allowance {
  /** @throws RegistryError TOOMANYREQUESTS with `retryAfter` seconds as detail */
  takePull(): void;
  takePush(): void;
  /** Refuses while earlier bytes are over the limit: how many come now is not known before. */
  checkBytes(): void;
  countBytes(bytes: number): void;
  /** The registry with no more upload sessions of this caller's than it may have. */
  limitUploads(inner: Registry): Registry;
}

/** A number that fills up over time: as many at once as one period allows. */
interface Bucket {
  left: number;
  filledAt: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const mostRemembered = 50_000;
/** A session that nobody ended counts for so long. */
const forgetUploadMs = 24 * hourMs;

/**
 * Keeps count in this process. With several, each allows its share, so that all together allow no more than is set.
 * @param limits the first that names a caller is the caller's
 */
export function createRequestLimits(
  limits: readonly RequestLimit[],
  processes: number,
  now: () => number = Date.now,
): { of(caller: Caller, address: string): Allowance | undefined } {
  const buckets = new Map<string, Bucket>();
  const uploads = new Map<string, Map<string, number>>();

  const bucketOf = (key: string, size: number, periodMs: number): Bucket => {
    const bucket = buckets.get(key) ?? { left: size, filledAt: now() };
    bucket.left = Math.min(size, bucket.left + ((now() - bucket.filledAt) / periodMs) * size);
    bucket.filledAt = now();
    buckets.delete(key);
    buckets.set(key, bucket); // the newest last
    dropOldest(buckets, mostRemembered);
    return bucket;
  };
  const take = (key: string, perMinute: number | undefined, what: string): void => {
    if (perMinute === undefined) return;
    const size = Math.max(1, perMinute / processes);
    const bucket = bucketOf(`${what} ${key}`, size, minuteMs);
    if (bucket.left < 1)
      throw tooMany(`${perMinute} ${what} a minute`, ((1 - bucket.left) / size) * minuteMs);
    bucket.left--;
  };

  return {
    of(caller, address) {
      const limit = limits.find(({ who }) => who.some((name) => isNamed(name, caller)));
      if (!limit) return undefined;
      const key = caller.identity.kind === "anonymous" ? `anonymous ${address}` : actorOf(caller.identity);
      const { bytesPerHour, openUploads } = limit;
      const bytes = bytesPerHour === undefined ? undefined : Math.max(1, bytesPerHour / processes);
      return {
        takePull: () => take(key, limit.pullsPerMinute, "pulls"),
        takePush: () => take(key, limit.pushesPerMinute, "pushes"),
        checkBytes() {
          if (bytes === undefined) return;
          const { left } = bucketOf(`bytes ${key}`, bytes, hourMs);
          if (left <= 0) throw tooMany(`${bytesPerHour} bytes an hour`, ((1 - left) / bytes) * hourMs);
        },
        countBytes(count) {
          if (bytes !== undefined) bucketOf(`bytes ${key}`, bytes, hourMs).left -= count;
        },
        limitUploads: (inner) =>
          openUploads === undefined
            ? inner
            : limitUploads(
                inner,
                sessionsOf(uploads, key),
                Math.max(1, Math.ceil(openUploads / processes)),
                now,
              ),
      };
    },
  };
}

function isNamed(name: string, { identity }: Caller): boolean {
  if (name === "*") return true;
  if (identity.kind === "anonymous") return name === "anonymous";
  return name === actorOf(identity) || (identity.groups ?? []).some((group) => name === `group:${group}`);
}

function tooMany(limit: string, waitMs: number): RegistryError {
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  return new RegistryError(
    "TOOMANYREQUESTS",
    `the limit here is ${limit}: try again in ${retryAfter} ${retryAfter === 1 ? "second" : "seconds"}`,
    { detail: { retryAfter } },
  );
}

function sessionsOf(uploads: Map<string, Map<string, number>>, key: string): Map<string, number> {
  const known = uploads.get(key) ?? new Map<string, number>();
  uploads.set(key, known);
  dropOldest(uploads, mostRemembered);
  return known;
}

function limitUploads(
  inner: Registry,
  sessions: Map<string, number>,
  most: number,
  now: () => number,
): Registry {
  return {
    ...inner,
    async startUpload(repository, options) {
      for (const [id, startedAt] of sessions) if (now() - startedAt > forgetUploadMs) sessions.delete(id);
      if (sessions.size >= most) {
        throw new RegistryError("TOOMANYREQUESTS", `${most} uploads are open: finish or cancel one first`);
      }
      const session = await inner.startUpload(repository, options);
      sessions.set(session.id, now());
      return session;
    },
    async finishUpload(repository, id, digest, options) {
      const stored = await inner.finishUpload(repository, id, digest, options);
      sessions.delete(id);
      return stored;
    },
    async cancelUpload(repository, id, options) {
      await inner.cancelUpload(repository, id, options);
      sessions.delete(id);
    },
  };
}
