// Each MUST of https://github.com/opencontainers/distribution-spec/blob/main/spec.md that binds a registry, in the order of
// that page, beside its check. What binds clients is checked where the client is.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { imageManifest, pushBlob, putManifest, sha256 } from "./fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";
const config = new TextEncoder().encode('{"os":"linux"}');
const blob = sha256(config);
// Odd white space and a field that nobody knows, so that a manifest that is written anew would differ.
const manifest = `${imageManifest([config]).slice(0, -1)},  "unknown":1e2}\n`;
const digest = sha256(manifest);
const absent = sha256("never pushed");

let berth: RunningRegistry;
beforeAll(async () => {
  berth = await startBerth();
  await pushBlob(berth.url, "spec/app", config);
  for (const tag of ["b", "a", "B", "10", "9"]) await putManifest(berth.url, "spec/app", tag, manifest);
});
afterAll(() => berth.stop());

const ask = (path: string, method = "GET", more: RequestInit = {}, repository = "spec/app") =>
  fetch(new URL(path, `${berth.url}/v2/${repository}/`), { method, redirect: "manual", ...more });
const header = (answer: Response, name: string) => answer.headers.get(name);
const place = (answer: Response) => header(answer, "location") ?? "no Location";
const begin = async () => place(await ask("blobs/uploads/", "POST"));
const chunk = (at: string, range: string, body: string, method = "PATCH") =>
  ask(at, method, { body, headers: { "content-range": range, "content-type": "application/octet-stream" } });
const end = (at: string, of: string) => `${at}${at.includes("?") ? "&" : "?"}digest=${of}`;

async function errorOf(answer: Response): Promise<{ status: number; code: string }> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] };
  return { status: answer.status, code: errors[0]?.code ?? "none" };
}

/** A manifest with a subject that need not be there. */
async function refer(fields: object, subject = absent): Promise<{ put: Response; digest: string }> {
  const of = { mediaType: manifestType, digest: subject, size: 12 };
  const body = JSON.stringify({ ...JSON.parse(imageManifest([config])), subject: of, ...fields });
  return { put: await putManifest(berth.url, "spec/app", sha256(body), body), digest: sha256(body) };
}

interface Referrers {
  readonly mediaType: string;
  readonly manifests: { digest: string; artifactType?: string; annotations?: object }[];
}
const referrers = async (of: string, query = "") => {
  const answer = await ask(`referrers/${of}${query}`);
  return { answer, index: (await answer.json()) as Referrers };
};

describe("pull", () => {
  test("<tag-or-digest> MUST be either (a) the digest of the manifest or (b) a tag, and MUST NOT be in any other format", async () => {
    for (const reference of ["a", digest]) expect((await ask(`manifests/${reference}`)).status).toBe(200);
    for (const reference of ["-a", "a:b", "sha256:12", "a".repeat(129)])
      expect([400, 404]).toContain((await ask(`manifests/${reference}`)).status);
  });

  test("<name> MUST match the following regular expression; a tag MUST be at most 128 characters in length", async () => {
    for (const name of ["UPPER/app", "a//b", "a/-b", "a___b"])
      expect(await errorOf(await fetch(`${berth.url}/v2/${name}/manifests/a`))).toEqual({
        status: 400,
        code: "NAME_INVALID",
      });
    expect((await putManifest(berth.url, "spec/app", "t".repeat(128), manifest)).status).toBe(201);
    expect((await putManifest(berth.url, "spec/app", "t".repeat(129), manifest)).status).toBe(400);
  });

  test("a GET of an existing manifest MUST provide it with 200 OK, and MUST contain Docker-Content-Digest", async () => {
    const answer = await ask("manifests/a");
    expect([answer.status, header(answer, "docker-content-digest")]).toEqual([200, digest]);
    expect(await answer.text()).toBe(manifest);
  });

  test("if the manifest is not found in the repository, the response code MUST be 404 Not Found", async () => {
    for (const reference of ["none", absent])
      for (const method of ["GET", "HEAD"])
        expect((await ask(`manifests/${reference}`, method)).status).toBe(404);
  });

  test("a GET of an existing blob MUST provide it with 200 OK, and its Docker-Content-Digest MUST match the body", async () => {
    const answer = await ask(`blobs/${blob}`);
    expect([answer.status, header(answer, "docker-content-digest")]).toEqual([200, blob]);
    expect(sha256(await answer.bytes())).toBe(blob);
  });

  test("if the blob is not found in the repository, the response code MUST be 404 Not Found", async () => {
    for (const method of ["GET", "HEAD"]) expect((await ask(`blobs/${absent}`, method)).status).toBe(404);
  });

  test.each([
    ["manifests/a", digest, manifest.length],
    [`manifests/${digest}`, digest, manifest.length],
    [`blobs/${blob}`, blob, config.byteLength],
  ])(
    "a HEAD of %s MUST return 200 OK, and MUST contain digest and Content-Length",
    async (path, of, size) => {
      const answer = await ask(path, "HEAD");
      expect([
        answer.status,
        header(answer, "docker-content-digest"),
        header(answer, "content-length"),
      ]).toEqual([200, of, String(size)]);
    },
  );
});

describe("push", () => {
  test("a registry MUST initially accept a manifest with a subject that does not exist, and MUST respond with OCI-Subject", async () => {
    const { put } = await refer({ annotations: { first: "1" } });
    expect([put.status, header(put, "oci-subject")]).toEqual([201, absent]);
  });

  test("when a manifest is rejected for a missing blob, it MUST result in one or more MANIFEST_BLOB_UNKNOWN errors", async () => {
    const answer = await putManifest(
      berth.url,
      "spec/app",
      "bad",
      imageManifest([new TextEncoder().encode("never pushed")]),
    );
    expect((await errorOf(answer)).code).toBe("MANIFEST_BLOB_UNKNOWN");
  });

  test("POST of a session MUST have a code of 202 and a Location that MUST contain a UUID", async () => {
    const answer = await ask("blobs/uploads/", "POST");
    expect(answer.status).toBe(202);
    expect(place(answer)).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/);
  });

  test("the <digest> MUST match the blob's digest, and PUT MUST have code 201 and a pullable Location", async () => {
    const wrong = await ask(end(await begin(), absent), "PUT", { body: "monolithic" });
    expect(await errorOf(wrong)).toEqual({ status: 400, code: "DIGEST_INVALID" });
    const done = await ask(end(await begin(), sha256("monolithic")), "PUT", { body: "monolithic" });
    expect(done.status).toBe(201);
    expect(await (await ask(place(done))).text()).toBe("monolithic");
  });

  test("a single POST MUST return a 201 Created and MUST include Location", async () => {
    const done = await ask(`blobs/uploads/?digest=${sha256("single")}`, "POST", { body: "single" });
    expect(done.status).toBe(201);
    expect(await (await ask(place(done))).text()).toBe("single");
  });

  test("chunks: ranges MUST be inclusive, begin with 0, and each answer MUST be 202 with Location and Range", async () => {
    let at = await begin();
    expect((await chunk(at, "1-3", "bcd")).status).toBe(416);
    for (const [range, body, reached] of [
      ["0-2", "abc", "0-2"],
      ["3-4", "de", "0-4"],
    ] as const) {
      const answer = await chunk(at, range, body);
      expect([answer.status, header(answer, "range")]).toEqual([202, reached]);
      at = place(answer);
    }
    expect((await chunk(at, "five-six", "x")).status).toBe(416);
    const done = await chunk(end(at, sha256("abcdefg")), "5-6", "fg", "PUT");
    expect(done.status).toBe(201);
    expect(await (await ask(place(done))).text()).toBe("abcdefg");
  });

  test("if a chunk, also the final one, is uploaded out of order, the registry MUST respond with 416", async () => {
    const at = place(await chunk(await begin(), "0-2", "abc"));
    expect((await chunk(at, "0-2", "abc")).status).toBe(416);
    expect((await chunk(end(at, sha256("abcd")), "7-7", "d", "PUT")).status).toBe(416);
    const state = await ask(at);
    expect(header(state, "range")).toBe("0-2");
  });

  test("the closing PUT MUST include the <digest> of the whole blob", async () => {
    const at = place(await chunk(await begin(), "0-2", "abc"));
    expect(await errorOf(await ask(at, "PUT"))).toEqual({ status: 400, code: "DIGEST_INVALID" });
  });

  test("the response to an active upload MUST be 204 No Content, with Location and Range", async () => {
    const state = await ask(place(await chunk(await begin(), "0-2", "abc")));
    expect([state.status, header(state, "range")]).toEqual([204, "0-2"]);
    expect((await ask(place(state), "DELETE")).status).toBe(204);
  });

  test("the response to a successful mount MUST be 201 Created, with Location", async () => {
    const mounted = await ask(`blobs/uploads/?mount=${blob}&from=spec/app`, "POST", {}, "spec/mounted");
    expect(mounted.status).toBe(201);
    expect((await ask(place(mounted))).status).toBe(200);
  });

  test("the registry MUST store the manifest in the exact byte representation, answer 201 and a pullable Location", async () => {
    const put = await putManifest(berth.url, "spec/app", "exact", manifest);
    expect([put.status, header(put, "docker-content-digest")]).toEqual([201, digest]);
    expect(await (await ask(place(put))).text()).toBe(manifest);
  });

  test("tag parameters MUST be answered by an OCI-Tag for each accepted tag", async () => {
    const put = await putManifest(berth.url, "spec/app", `${digest}?tag=x1&tag=x2`, manifest);
    expect([put.status, header(put, "oci-tag")]).toEqual([201, "x1, x2"]);
  });

  test("an attempt to pull a nonexistent repository MUST return response code 404 Not Found", async () => {
    for (const path of ["manifests/a", `blobs/${blob}`])
      expect((await ask(path, "GET", {}, "spec/nowhere")).status).toBe(404);
  });
});

describe("lists", () => {
  const tags = async (query: string) => {
    const answer = await ask(`tags/list${query}`);
    expect(answer.status).toBe(200);
    return { answer, list: ((await answer.json()) as { name: string; tags: string[] }).tags };
  };

  test("tags MUST be in lexical or ASCIIbetical order, in a json body", async () => {
    const { list } = await tags("");
    expect(list.length).toBeGreaterThan(4);
    expect(list).toEqual([...list].sort());
  });

  test("n: the response MUST include <int> results, and a Link MUST have the Relation Type next", async () => {
    const { answer, list } = await tags("?n=2");
    expect(list).toEqual(["10", "9"]);
    const next = /^<(.+)>; rel="next"$/.exec(header(answer, "link") ?? "")?.[1] ?? "no Link";
    expect((await tags(next.slice(next.indexOf("?")))).list).toEqual(["B", "a"]);
    expect((await tags("?n=2&last=B")).list).toEqual(["a", "b"]);
  });

  test("when n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header", async () => {
    const { answer, list } = await tags("?n=0");
    expect([list, header(answer, "link")]).toEqual([[], null]);
  });

  test("the registry MUST NOT return a 404 to a referrers request, and an empty manifest list MUST be returned", async () => {
    const { answer, index } = await referrers(sha256("nothing refers to this"));
    expect([answer.status, header(answer, "content-type"), index.manifests]).toEqual([200, indexType, []]);
    expect((await ask("referrers/sha256:12")).status).toBe(400);
  });

  test("referrers MUST include artifactType, else the config's mediaType, and annotations", async () => {
    const subject = sha256("described");
    const annotations = { made: "here" };
    const typed = await refer({ artifactType: "a/sbom", annotations }, subject);
    const untyped = await refer({ annotations: { no: "type" } }, subject);
    const { manifests } = (await referrers(subject)).index;
    const found = (of: string) => manifests.find((entry) => entry.digest === of);
    expect(found(typed.digest)).toMatchObject({ artifactType: "a/sbom", annotations });
    expect(found(untyped.digest)?.artifactType).toBe("application/octet-stream");
    const of = { mediaType: manifestType, digest: subject, size: 12 };
    const index = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [], subject: of });
    const headers = { "content-type": indexType };
    expect((await ask(`manifests/${sha256(index)}`, "PUT", { body: index, headers })).status).toBe(201);
    const again = (await referrers(subject)).index.manifests;
    expect(again.find((entry) => entry.digest === sha256(index))).not.toHaveProperty("artifactType");
  });

  test("if filtering is applied, the response MUST include OCI-Filters-Applied; a Link MUST be included for more", async () => {
    const subject = sha256("filtered");
    const kept = await refer({ artifactType: "a/kept" }, subject);
    await refer({ artifactType: "a/other" }, subject);
    const filtered = await referrers(subject, "?artifactType=a/kept");
    expect(header(filtered.answer, "oci-filters-applied")).toBe("artifactType");
    expect(filtered.index.manifests.map((entry) => entry.digest)).toEqual([kept.digest]);
    const page = await referrers(subject, "?n=1");
    expect(header(page.answer, "link")).toMatch(/^<.+>; rel="next"$/);
  });
});

describe("content management", () => {
  test.each([
    ["manifests/gone", "MANIFEST_UNKNOWN"],
    [`manifests/${sha256(manifest.replace("1e2", "1e3"))}`, "MANIFEST_UNKNOWN"],
    [`blobs/${sha256("to be deleted")}`, "BLOB_UNKNOWN"],
  ])(
    "a DELETE of %s MUST respond with 202 Accepted, and MUST return 404 when it is not found",
    async (path, code) => {
      const other = manifest.replace("1e2", "1e3");
      await putManifest(berth.url, "spec/app", "gone", other);
      await pushBlob(berth.url, "spec/app", new TextEncoder().encode("to be deleted"));
      expect((await ask(path, "DELETE")).status).toBe(202);
      expect(await errorOf(await ask(path, "DELETE"))).toEqual({ status: 404, code });
      expect((await ask(path, "DELETE", {}, "spec/nowhere")).status).toBe(404);
    },
  );
});

describe("errors and warnings", () => {
  test("a JSON body of a 4XX MUST have errors, and code MUST be one of the table's", async () => {
    for (const path of ["manifests/none", `blobs/${absent}`, "manifests/-x", "blobs/md5:00"]) {
      const answer = await ask(path);
      expect(header(answer, "content-type")).toStartWith("application/json");
      expect((await errorOf(answer)).code).toMatch(
        /^(BLOB_UNKNOWN|DIGEST_INVALID|MANIFEST_INVALID|MANIFEST_UNKNOWN)$/,
      );
    }
  });

  test("Warning headers MUST specify a warn-code of 299 and a warn-agent of -, and no date", async () => {
    const index = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [] });
    const headers = { "content-type": indexType };
    const put = await ask("manifests/empty", "PUT", { body: index, headers });
    expect(header(put, "warning")).toMatch(/^299 - "[^"]+"$/);
  });
});
