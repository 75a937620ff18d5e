import { describe, expect } from "bun:test";
import type { Registry, UploadSession } from "../registry.ts";
import { streamOf } from "../streams.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bodyOf,
  bytesFor,
  describeBytes,
  emptyRepository,
  errorOf,
  failureOf,
  heldBody,
  readBlob,
} from "./fixtures.ts";

const bytes = bytesFor(7, 5000);
const { digest, size } = describeBytes(bytes);

/** Blobs that are sent in parts. */
export function describeUploads(contract: Contract): void {
  describe("uploads", () => {
    describeParts(contract);
    describeSessions(contract);
    describeBreaks(contract);
  });
}

async function offsetOf(registry: Registry, { id }: UploadSession): Promise<number> {
  return (await registry.getUpload(a, id)).offset;
}

/** Sends what a session lacks of `bytes` and checks the blob. */
async function goOn(registry: Registry, session: UploadSession): Promise<void> {
  const offset = await offsetOf(registry, session);
  await registry.appendUpload(a, session.id, streamOf(bytes.subarray(offset)), {
    offset,
    size: size - offset,
  });
  await registry.finishUpload(a, session.id, digest);
  expect(await readBlob(registry, a, { digest })).toEqual(bytes);
}

function describeParts({ test }: Contract): void {
  test("finishUpload makes a blob of what appendUpload added", async (registry) => {
    const session = await registry.startUpload(a);
    expect(session).toMatchObject({ repository: a, offset: 0 });
    expect(session.id).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
    let offset = 0;
    for (const end of [1, 1000, 1000, 5000]) {
      const part = bytes.subarray(offset, end);
      const after = await registry.appendUpload(a, session.id, streamOf(part, 300), {
        offset,
        size: end - offset,
      });
      expect(after).toEqual({ repository: a, id: session.id, offset: end });
      expect(await registry.getUpload(a, session.id)).toEqual(after);
      offset = end;
    }
    expect(await registry.finishUpload(a, session.id, digest)).toMatchObject({ digest, size });
    expect(await readBlob(registry, a, { digest })).toEqual(bytes);
  });

  test("appendUpload takes bytes when neither offset nor size are told", async (registry) => {
    const { id } = await registry.startUpload(a);
    await registry.appendUpload(a, id, streamOf(bytes.subarray(0, 100)));
    await registry.appendUpload(a, id, streamOf(bytes.subarray(100)));
    await registry.finishUpload(a, id, digest);
    expect(await readBlob(registry, a, { digest })).toEqual(bytes);
  });

  test("finishUpload makes an empty blob when nothing was sent", async (registry) => {
    const { id } = await registry.startUpload(a);
    const empty = describeBytes(new Uint8Array(0));
    expect(await registry.finishUpload(a, id, empty.digest)).toEqual(empty);
    expect(await readBlob(registry, a, empty)).toEqual(new Uint8Array(0));
  });

  test("finishUpload takes sha512 and sha256, hinted at or not", async (registry) => {
    const hints = [{}, { algorithm: "sha256" }, { algorithm: "sha512" }] as const;
    for (const algorithm of ["sha256", "sha512"] as const) {
      for (const hint of hints) {
        const content = bytesFor(hints.indexOf(hint) + 10);
        const { id } = await registry.startUpload(a, hint);
        await registry.appendUpload(a, id, streamOf(content.subarray(0, 10)), hint);
        await registry.appendUpload(a, id, streamOf(content.subarray(10)));
        const expected = describeBytes(content, undefined, algorithm);
        expect(await registry.finishUpload(a, id, expected.digest)).toEqual(expected);
        expect(await readBlob(registry, a, expected)).toEqual(content);
      }
    }
  });

  test("finishUpload ends the session when the digest is another", async (registry) => {
    const { id } = await registry.startUpload(a);
    await registry.appendUpload(a, id, streamOf(bytes.subarray(1)));
    const error = await errorOf(registry.finishUpload(a, id, digest), "DIGEST_INVALID");
    expect(error.message).toContain(digest);
    await errorOf(registry.getUpload(a, id), "BLOB_UPLOAD_UNKNOWN");
    await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
    await errorOf(registry.listTags(a), "NAME_UNKNOWN");
  });
}

function describeSessions({ test }: Contract): void {
  test("startUpload makes no repository", async (registry) => {
    const { id } = await registry.startUpload(emptyRepository);
    await errorOf(registry.listTags(emptyRepository), "NAME_UNKNOWN");
    await registry.cancelUpload(emptyRepository, id);
  });

  test("sessions are unknown when another repository asks for them", async (registry) => {
    const { id } = await registry.startUpload(a);
    await errorOf(registry.getUpload(b, id), "BLOB_UPLOAD_UNKNOWN");
    await errorOf(registry.appendUpload(b, id, streamOf(bytes)), "BLOB_UPLOAD_UNKNOWN");
    await errorOf(registry.finishUpload(b, id, digest), "BLOB_UPLOAD_UNKNOWN");
    await errorOf(registry.cancelUpload(b, id), "BLOB_UPLOAD_UNKNOWN");
    expect((await registry.getUpload(a, id)).offset).toBe(0);
    await registry.cancelUpload(a, id);
  });

  test("sessions are unknown when they have ended or never were", async (registry) => {
    const finished = await registry.startUpload(a);
    await registry.appendUpload(a, finished.id, streamOf(bytes));
    await registry.finishUpload(a, finished.id, digest);
    const cancelled = await registry.startUpload(a);
    await registry.cancelUpload(a, cancelled.id);
    for (const id of [finished.id, cancelled.id, "never-was", "..", "a".repeat(200)]) {
      await errorOf(registry.getUpload(a, id), "BLOB_UPLOAD_UNKNOWN");
      await errorOf(registry.appendUpload(a, id, streamOf(bytes)), "BLOB_UPLOAD_UNKNOWN");
      await errorOf(registry.finishUpload(a, id, digest), "BLOB_UPLOAD_UNKNOWN");
      await errorOf(registry.cancelUpload(a, id), "BLOB_UPLOAD_UNKNOWN");
    }
  });

  test("appendUpload refuses an offset that is not the session's, and the session survives", async (registry) => {
    const session = await registry.startUpload(a);
    await registry.appendUpload(a, session.id, streamOf(bytes.subarray(0, 100)));
    for (const offset of [0, 99, 101, 5000]) {
      const part = streamOf(bytes.subarray(offset));
      await errorOf(registry.appendUpload(a, session.id, part, { offset }), "UPLOAD_RANGE_INVALID");
      expect(await offsetOf(registry, session)).toBe(100);
    }
    await goOn(registry, session);
  });

  test("appendUpload refuses a second writer while one is writing", async (registry) => {
    const session = await registry.startUpload(a);
    const { body, held, release } = heldBody(bytes.subarray(0, 100), bytes.subarray(100, 200));
    const first = registry.appendUpload(a, session.id, body);
    await held;
    await errorOf(registry.appendUpload(a, session.id, streamOf(bytes)), "UPLOAD_RANGE_INVALID");
    release();
    expect((await first).offset).toBe(200);
    await goOn(registry, session);
  });
}

function describeBreaks({ test, isRemote }: Contract): void {
  /** Checks how much of `given` bytes was kept. */
  const expectKept = (offset: number, given: number): void =>
    isRemote ? expect(offset).toBeLessThanOrEqual(given) : expect(offset).toBe(given);

  test("appendUpload keeps what came when the body breaks off, and throws its error on", async (registry) => {
    const session = await registry.startUpload(a);
    const broken = new Error("the line is dead");
    const body = bodyOf(bytes.subarray(0, 700), bytes.subarray(700, 800), broken);
    const error = await failureOf(registry.appendUpload(a, session.id, body, { size }));
    expect([error, error instanceof Error ? error.cause : undefined]).toContain(broken);
    expectKept(await offsetOf(registry, session), 800);
    await goOn(registry, session);
  });

  test("appendUpload keeps what came when the signal aborts", async (registry) => {
    const session = await registry.startUpload(a);
    const stop = new AbortController();
    const reason = new Error("enough");
    const { body, held } = heldBody(bytes.subarray(0, 700));
    const append = registry.appendUpload(a, session.id, body, { signal: stop.signal });
    void held.then(() => stop.abort(reason));
    expect(await failureOf(append)).toBe(reason);
    expectKept(await offsetOf(registry, session), 700);
    await goOn(registry, session);
  });

  test("appendUpload keeps what came when there are fewer bytes than announced", async (registry) => {
    const session = await registry.startUpload(a);
    const short = registry.appendUpload(a, session.id, streamOf(bytes.subarray(0, 100)), { size: 101 });
    await errorOf(short, "SIZE_INVALID");
    expectKept(await offsetOf(registry, session), 100);
    await goOn(registry, session);
  });

  test("appendUpload keeps nothing of the excess when there are more bytes than announced", async (registry) => {
    const session = await registry.startUpload(a);
    await registry.appendUpload(a, session.id, streamOf(bytes.subarray(0, 50)));
    const long = registry.appendUpload(a, session.id, streamOf(bytes.subarray(50, 200), 40), { size: 100 });
    await errorOf(long, "SIZE_INVALID");
    const offset = await offsetOf(registry, session);
    expect(offset).toBeGreaterThanOrEqual(50);
    expect(offset).toBeLessThanOrEqual(150);
    await goOn(registry, session);
  });
}
