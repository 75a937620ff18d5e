// Sentences of https://github.com/opencontainers/distribution-spec/blob/main/spec.md, as a client sees them kept. What the
// other tests of HTTP show is not repeated here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { imageManifest, pushBlob, putManifest, sha256 } from "./fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

let berth: RunningRegistry;
const bytes = new TextEncoder().encode("a config");
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

beforeAll(async () => {
  berth = await startBerth();
  await pushBlob(berth.url, "spec/app", bytes);
});
afterAll(() => berth.stop());

const ask = (path: string, init?: RequestInit) => fetch(new URL(path, `${berth.url}/v2/spec/app/`), init);
const header = (answer: Response, name: string) => answer.headers.get(name);
const sha512 = (of: Uint8Array) => `sha512:${createHash("sha512").update(of).digest("hex")}`;

async function begin(query = ""): Promise<string> {
  const begun = await ask(`blobs/uploads/${query}`, { method: "POST" });
  expect(begun.status).toBe(202);
  return header(begun, "location") ?? "";
}

/** A body whose length is not announced. */
function streamed(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

async function errorIn(answer: Response): Promise<{ code: string; message: string }> {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  return errors[0] ?? { code: "", message: "" };
}

describe("blobs", () => {
  test("putUpload makes a blob of chunks under sha512 when that was said at the beginning", async () => {
    const content = new TextEncoder().encode("0123456789");
    const digest = sha512(content);
    let place = await begin("?digest-algorithm=sha512");
    for (const [first, last] of [
      [0, 3],
      [4, 7],
    ] as const) {
      const headers = { "content-range": `${first}-${last}` };
      const body = content.slice(first, last + 1);
      const chunk = await ask(place, { method: "PATCH", body, headers });
      expect([chunk.status, header(chunk, "range")]).toEqual([202, `0-${last}`]);
      place = header(chunk, "location") ?? "";
    }
    const state = await ask(place);
    expect([state.status, header(state, "range")]).toEqual([204, "0-7"]);
    const separator = place.includes("?") ? "&" : "?";
    const end = { method: "PUT", body: content.slice(8), headers: { "content-range": "8-9" } };
    const ended = await ask(`${header(state, "location")}${separator}digest=${digest}`, end);
    expect([ended.status, header(ended, "docker-content-digest")]).toEqual([201, digest]);
    const head = await ask(header(ended, "location") ?? "", { method: "HEAD" });
    expect([head.status, header(head, "content-length")]).toEqual([200, "10"]);
    expect([header(head, "docker-content-digest"), header(head, "accept-ranges")]).toEqual([digest, "bytes"]);
  });

  test("deleteUpload ends a session, which is unknown then", async () => {
    const place = await begin();
    expect((await ask(place, { method: "DELETE" })).status).toBe(204);
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const answer = await ask(place, { method, ...(method === "PATCH" && { body: "x" }) });
      expect([answer.status, (await errorIn(answer)).code]).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    }
  });

  test("postUpload mounts what another repository has, and begins an upload when it cannot", async () => {
    const digest = sha256(bytes);
    const other = (query: string) =>
      fetch(`${berth.url}/v2/spec/other/blobs/uploads/?${query}`, { method: "POST" });
    for (const from of ["spec/none", "NO/NAME"]) {
      const unable = await other(`mount=${digest}&from=${from}`);
      expect([unable.status, header(unable, "location")]).toEqual([
        202,
        expect.stringContaining("/uploads/"),
      ]);
    }
    const place = `/v2/spec/other/blobs/${digest}`;
    for (const from of ["&from=spec/app", ""]) {
      const mounted = await other(`mount=${digest}${from}`);
      expect([mounted.status, header(mounted, "location")]).toEqual([201, place]);
    }
  });

  test.each([
    ["POST", "?digest-algorithm=md5", undefined, undefined, 400, "DIGEST_INVALID", '"md5"'],
    ["POST", "?mount=sha256:12", undefined, undefined, 400, "DIGEST_INVALID", '"sha256:12"'],
    ["POST", "?digest=md5:00", "x", undefined, 400, "DIGEST_INVALID", '"md5"'],
    ["PUT", "", "x", undefined, 400, "DIGEST_INVALID", "?digest="],
    ["PUT", "?digest=sha256:12", "x", undefined, 400, "DIGEST_INVALID", '"sha256:12"'],
    ["PATCH", "", "01234", "five", 416, "BLOB_UPLOAD_INVALID", '"five"'],
    ["PATCH", "", "01234", "4-0", 416, "BLOB_UPLOAD_INVALID", '"4-0"'],
    ["PATCH", "", "01234", "1-5", 416, "BLOB_UPLOAD_INVALID", "go on from 0"],
    ["PATCH", "", "01234", "0-9", 400, "SIZE_INVALID", "0-9"],
    ["PATCH", "", streamed, "0-9", 400, "SIZE_INVALID", "10 were announced"],
    ["PATCH", "", streamed, "0-2", 400, "SIZE_INVALID", "announced 3"],
  ] as const)("uploads refuse %s %s of %p with Content-Range %p", async (...wrong) => {
    const [method, query, content, range, status, code, quoted] = wrong;
    const place = method === "POST" ? "blobs/uploads/" : await begin();
    const answer = await ask(place + query, {
      method,
      ...(content !== undefined && { body: typeof content === "string" ? content : content("01234") }),
      ...(range !== undefined && { headers: { "content-range": range } }),
    });
    const error = await errorIn(answer);
    expect([answer.status, error.code]).toEqual([status, code]);
    expect(error.message).toContain(quoted);
  });
});

describe("manifests", () => {
  test("putManifest takes several tags at once and answers them in OCI-Tag", async () => {
    const manifest = imageManifest([bytes]);
    const tags = Array.from({ length: 10 }, (_, at) => `t${at}`);
    const query = tags.map((tag) => `tag=${tag}`).join("&");
    const put = await putManifest(berth.url, "spec/app", `${sha256(manifest)}?${query}`, manifest);
    expect([put.status, header(put, "oci-tag")?.split(", ")]).toEqual([201, tags]);
    for (const tag of tags) expect(await (await ask(`manifests/${tag}`)).text()).toBe(manifest);
    const many = Array.from({ length: 101 }, (_, at) => `tag=t${at}`).join("&");
    expect((await putManifest(berth.url, "spec/app", `x?${many}`, manifest)).status).toBe(414);
    expect((await putManifest(berth.url, "spec/app", "t1?tag=-bad", manifest)).status).toBe(400);
  });

  test("getManifest answers what was pushed: its type without parameters, its digest, its size", async () => {
    const manifest = `${imageManifest([bytes]).slice(0, -1)}, "unknown": [1e2, "ü"]}\n`;
    const headers = { "content-type": `${manifestType}; charset=utf-8` };
    const put = await ask("manifests/odd", { method: "PUT", body: manifest, headers });
    expect(put.status).toBe(201);
    for (const method of ["HEAD", "GET"]) {
      const answer = await ask(header(put, "location") ?? "", { method });
      expect([answer.status, header(answer, "content-type")]).toEqual([200, manifestType]);
      expect(header(answer, "docker-content-digest")).toBe(sha256(manifest));
      expect(header(answer, "content-length")).toBe(String(Buffer.byteLength(manifest)));
      expect(await answer.text()).toBe(method === "GET" ? manifest : "");
    }
  });

  test.each([
    ["text/html", imageManifest([bytes]).replace(/"mediaType":"[^"]+",/, ""), '"text/html"'],
    [indexType, imageManifest([bytes]), `"${indexType}"`],
    ["application/vnd.docker.distribution.manifest.v1+prettyjws", "{}", "push it again"],
  ])("putManifest refuses what was sent as %s", async (type, body, quoted) => {
    const answer = await ask("manifests/bad", { method: "PUT", body, headers: { "content-type": type } });
    const error = await errorIn(answer);
    expect([answer.status, error.code]).toEqual([400, "MANIFEST_INVALID"]);
    expect(error.message).toContain(quoted);
  });
});

describe("referrers", () => {
  const subject = { mediaType: manifestType, digest: sha256("to come"), size: 7 };

  /** Pushes a manifest with a subject that is not there. */
  async function refer(artifactType: string): Promise<string> {
    const manifest = JSON.stringify({ ...JSON.parse(imageManifest([bytes])), artifactType, subject });
    const put = await putManifest(berth.url, "spec/app", sha256(manifest), manifest);
    expect([put.status, header(put, "oci-subject")]).toEqual([201, subject.digest]);
    return sha256(manifest);
  }

  test("listReferrers lists, filters and pages what refers to a manifest", async () => {
    const [sbom, other] = [await refer("a/sbom"), await refer("a/signature")];
    const list = async (query: string) => {
      const answer = await ask(`referrers/${subject.digest}${query}`);
      expect([answer.status, header(answer, "content-type")]).toEqual([200, indexType]);
      const { manifests } = (await answer.json()) as { manifests: { digest: string }[] };
      return { answer, digests: manifests.map(({ digest }) => digest) };
    };
    const all = await list("");
    expect(all.digests).toEqual([sbom, other].sort());
    expect(header(all.answer, "oci-filters-applied")).toBeNull();
    const filtered = await list("?artifactType=a%2Fsbom");
    expect(filtered.digests).toEqual([sbom]);
    expect(header(filtered.answer, "oci-filters-applied")).toBe("artifactType");
    const first = await list("?n=1&artifactType=a/sbom");
    expect(header(first.answer, "link")).toBeNull();
    const paged = await list("?n=1");
    const next = /^<(.+)>; rel="next"$/.exec(header(paged.answer, "link") ?? "")?.[1] ?? "";
    expect([...paged.digests, ...(await list(next.slice(next.indexOf("?")))).digests]).toEqual(all.digests);
    const empty = await fetch(`${berth.url}/v2/spec/none/referrers/${subject.digest}`);
    expect([empty.status, await empty.json()]).toMatchObject([200, { manifests: [] }]);
    expect((await ask("referrers/sha256:12")).status).toBe(400);
  });
});
