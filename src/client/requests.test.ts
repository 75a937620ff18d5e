import { describe, expect, test } from "bun:test";
import { useOddRegistries } from "../../tests/fixtures/odd-registries.ts";
import type { Reply } from "../../tests/fixtures/reply-servers.ts";
import { parseRepositoryName, parseTag } from "../oci/names.ts";
import {
  bytesFor,
  describeBytes,
  errorOf,
  failureOf,
  imageBytes,
  jsonBytes,
  readBlob,
} from "../registry/contract/fixtures.ts";

const repository = parseRepositoryName("team/app");
const tag = parseTag("1.0");
const manifest = imageBytes(describeBytes(jsonBytes({})), []);
const { digest } = describeBytes(manifest);
const theManifest: Reply = {
  headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
  body: manifest,
};

const { serve, clientOf } = useOddRegistries();

describe("redirects", () => {
  const basic = { "www-authenticate": 'Basic realm="r"' };
  const credentials = () => ({ username: "ada", password: "secret" });

  test("getBlob follows a redirect and sends no credentials along", async () => {
    const bytes = bytesFor(1);
    const blob = describeBytes(bytes);
    const storage = await serve(() => ({ body: bytes }));
    const registry = await serve(({ headers, path }) => {
      if (!headers.authorization) return { status: 401, headers: basic };
      return { status: 307, headers: { location: `${storage.url}/signed${path}?secret=1` } };
    });
    const client = clientOf(registry, { credentials });
    expect(await readBlob(client, repository, blob)).toEqual(bytes);
    expect(storage.seen.map(({ method }) => method)).toEqual(["HEAD", "GET"]);
    for (const { headers } of storage.seen) {
      expect(headers.authorization).toBeUndefined();
      expect(headers["user-agent"]).toBe("berth");
    }
  });

  test("getBlob does not answer challenges of where it was redirected to", async () => {
    const storage = await serve(() => ({ status: 401, headers: basic }));
    const registry = await serve(() => ({ status: 307, headers: { location: storage.url } }));
    await errorOf(clientOf(registry, { credentials }).resolveBlob(repository, digest), "UNAUTHORIZED");
    expect(storage.seen.length).toBe(1);
  });

  test("getTag sends credentials again when the redirect stays at the registry", async () => {
    const registry = await serve(({ path, headers }) => {
      if (!headers.authorization) return { status: 401, headers: basic };
      return path.endsWith("/1.0") ? { status: 302, headers: { location: "/elsewhere?x" } } : theManifest;
    });
    const found = await clientOf(registry, { credentials }).getTag(repository, tag);
    expect(found.descriptor.digest).toBe(digest);
  });

  test.each([
    ["a circle", "/v2/team/app/manifests/1.0", "more than 10 times"],
    ["no address", "http://[", "not an address"],
    ["another kind of address", "file:///etc/passwd", '"file:"'],
  ])("getTag gives up when a redirect leads to %s", async (_, location, expected) => {
    const registry = await serve(() => ({ status: 301, headers: { location } }));
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "UNAVAILABLE");
    expect(message).toContain(expected);
  });

  test("putManifest is not turned into a GET by a redirect", async () => {
    const registry = await serve(() => ({ status: 302, headers: { location: "/elsewhere" } }));
    const put = clientOf(registry).putManifest(repository, { bytes: manifest, mediaType: "", tags: [tag] });
    await failureOf(put);
    expect(registry.seen.map(({ method }) => method)).toEqual(["PUT"]);
  });

  test("putManifest is sent again, whole, where a 307 leads to", async () => {
    const target = await serve(() => ({ status: 201 }));
    const registry = await serve(({ path }) => ({ status: 307, headers: { location: target.url + path } }));
    await clientOf(registry).putManifest(repository, { bytes: manifest, mediaType: "", tags: [tag] });
    expect(target.seen[0]?.body).toEqual(Buffer.from(manifest));
  });
});

describe("retries", () => {
  /** A server that fails so many times. */
  const failing = (times: number, failure: Reply) => {
    let left = times;
    return serve(() => (left-- > 0 ? failure : theManifest));
  };

  test.each([429, 502, 503, 504])("getTag tries again when the answer is %d", async (status) => {
    const registry = await failing(2, { status });
    expect((await clientOf(registry).getTag(repository, tag)).descriptor.digest).toBe(digest);
    expect(registry.seen.length).toBe(3);
  });

  test.each([400, 403, 404, 500, 507])("getTag does not try again when the answer is %d", async (status) => {
    const registry = await failing(9, { status });
    await failureOf(clientOf(registry).getTag(repository, tag));
    expect(registry.seen.length).toBe(1);
  });

  test("getTag tries again when the connection breaks before, in the head of or in the answer", async () => {
    const breaks: Reply[] = [{ cutAt: -1 }, { ...theManifest, cutAt: 0 }, { ...theManifest, cutAt: 100 }];
    const registry = await serve(() => breaks.shift() ?? theManifest);
    const client = clientOf(registry, { retries: { attempts: 4, minDelayMs: 1 } });
    expect((await client.getTag(repository, tag)).bytes).toEqual(manifest);
  });

  test("getTag waits as long as Retry-After says", async () => {
    const registry = await failing(1, { status: 503, headers: { "retry-after": "1" } });
    const before = performance.now();
    await clientOf(registry).getTag(repository, tag);
    expect(performance.now() - before).toBeGreaterThanOrEqual(990);
  });

  test("getTag says when to come back when Retry-After is too long to wait for", async () => {
    const body = '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}';
    const registry = await failing(9, { status: 429, headers: { "retry-after": "600" }, body });
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "TOOMANYREQUESTS");
    expect(message).toBe(
      `cannot get manifest 1.0 of ${registry.host}/team/app: You have reached your pull rate limit (429 TOOMANYREQUESTS): ` +
        "it allows no more requests for now, try again in 600 s, or log in if its limit is higher then",
    );
    expect(registry.seen.length).toBe(1);
  });

  test("getTag says how often it tried", async () => {
    const registry = await failing(9, { status: 503 });
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "UNAVAILABLE");
    expect(message).toBe(
      `cannot get manifest 1.0 of ${registry.host}/team/app: ${registry.host} answered 503 (tried 3 times)`,
    );
  });

  test("deleteManifest is done when the answer to the first attempt was lost", async () => {
    let isThere = true;
    const registry = await serve(({ method }) => {
      if (method !== "DELETE") return { ...theManifest, status: isThere ? 200 : 404 };
      const reply: Reply = isThere ? { cutAt: -1 } : { status: 404 };
      isThere = false;
      return reply;
    });
    await clientOf(registry).deleteManifest(repository, digest);
    await errorOf(clientOf(registry).deleteTag(repository, tag), "MANIFEST_UNKNOWN");
  });

  test("getTag rejects with the signal's reason while it waits for the next attempt", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const registry = await serve(() => {
      setImmediate(() => stop.abort(reason));
      return { status: 503, headers: { "retry-after": "50" } };
    });
    const asked = clientOf(registry).getTag(repository, tag, { signal: stop.signal });
    expect(await failureOf(asked)).toBe(reason);
  });

  test("getTag rejects with the signal's reason while no answer comes, and when it has aborted before", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const registry = await serve(() => {
      stop.abort(reason);
      return new Promise<Reply>(() => {});
    });
    const client = clientOf(registry);
    expect(await failureOf(client.getTag(repository, tag, { signal: stop.signal }))).toBe(reason);
    expect(await failureOf(client.getTag(repository, tag, { signal: stop.signal }))).toBe(reason);
    expect(registry.seen.length).toBe(1);
  });
});

describe("connections", () => {
  test("getTag uses a connection again", async () => {
    const registry = await serve(() => theManifest);
    const client = clientOf(registry);
    for (let at = 0; at < 5; at++) await client.getTag(repository, tag);
    expect(registry.connections()).toBe(1);
  });

  test("getTag tells that nobody listens", async () => {
    const registry = await serve(() => theManifest);
    await registry.stop();
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "UNAVAILABLE");
    expect(message).toBe(
      `cannot get manifest 1.0 of ${registry.host}/team/app: ${registry.host} refuses connections: ` +
        "check the name and the port, and that the registry runs",
    );
  });

  test("getTag tells that there is no such host", async () => {
    const client = clientOf({ host: "no-such-host.invalid:5000" }, { retries: { attempts: 1 } });
    const { message } = await errorOf(client.getTag(repository, tag), "UNAVAILABLE");
    expect(message).toContain('no host "no-such-host.invalid" can be found');
  });

  test("getTag tells that what answers is no registry", async () => {
    const page = await serve(() => ({
      status: 404,
      headers: { "content-type": "text/html" },
      body: "<html>",
    }));
    const { message } = await errorOf(clientOf(page).getTag(repository, tag), "MANIFEST_UNKNOWN");
    expect(message).toContain("with a web page: is a registry there?");
    const text = await serve(() => ({
      headers: { "content-type": "text/html" },
      body: "<html>hello</html>",
    }));
    const answered = await errorOf(clientOf(text).listTags(repository), "UNSUPPORTED");
    expect(answered.message).toContain("answered 200 with a web page: is a registry there?");
  });
});

describe("warnings", () => {
  test("onWarning is told each warning of a registry once", async () => {
    const registry = await serve(() => ({
      ...theManifest,
      headers: {
        ...theManifest.headers,
        warning: '299 - "old \\"version\\"", 199 - "other code", 299 registry "second"',
      },
    }));
    const told: string[] = [];
    const client = clientOf(registry, { onWarning: (text) => told.push(text) });
    for (let at = 0; at < 2; at++) await client.getTag(repository, tag);
    expect(told).toEqual(['old "version"', "second"]);
  });

  test("onWarning is not told what others say", async () => {
    const storage = await serve(() => ({ ...theManifest, headers: { warning: '299 - "from storage"' } }));
    const registry = await serve(({ path }) => ({ status: 307, headers: { location: storage.url + path } }));
    const told: string[] = [];
    await clientOf(registry, { onWarning: (text) => told.push(text) }).getTag(repository, tag);
    expect(told).toEqual([]);
  });
});

describe("errors", () => {
  test("getTag shows nothing that a terminal would act on", async () => {
    const body = JSON.stringify({ errors: [{ code: "DENIED", message: "no\u001b[2J\u202e\nentry" }] });
    const registry = await serve(() => ({ status: 403, body }));
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "DENIED");
    expect(message).toBe(
      `cannot get manifest 1.0 of ${registry.host}/team/app: no [2J entry (403 DENIED): log in, if that lets you`,
    );
  });

  test("getTag takes secrets out of what a registry says", async () => {
    const registry = await serve(({ headers }) =>
      headers.authorization
        ? { status: 500, headers: { "content-type": "text/plain" }, body: `seen: ${headers.authorization}` }
        : { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } },
    );
    const client = clientOf(registry, { credentials: () => ({ username: "ada", password: "opensesame" }) });
    const { message } = await errorOf(client.getTag(repository, tag), "INTERNAL");
    expect(message).toContain("seen: Basic ***");
  });

  test("putManifest names the blobs that are missing when the registry's words do not", async () => {
    const missing = [describeBytes(bytesFor(1)), describeBytes(bytesFor(2))];
    const errors = missing.map(({ digest }) => ({
      code: "MANIFEST_BLOB_UNKNOWN",
      message: "blob unknown",
      detail: digest,
    }));
    const registry = await serve(() => ({ status: 400, body: JSON.stringify({ errors }) }));
    const put = clientOf(registry).putManifest(repository, { bytes: manifest, mediaType: "", tags: [tag] });
    const { message, detail } = await errorOf(put, "MANIFEST_BLOB_UNKNOWN");
    expect(detail).toEqual(missing.map(({ digest }) => ({ digest })));
    for (const { digest } of missing) expect(message.split(digest).length).toBe(2);
  });

  test("getTag refuses other bytes than the registry told the digest of", async () => {
    const registry = await serve(() => ({
      ...theManifest,
      headers: { ...theManifest.headers, "docker-content-digest": describeBytes(bytesFor(1)).digest },
    }));
    await errorOf(clientOf(registry).getTag(repository, tag), "DIGEST_INVALID");
    await errorOf(
      clientOf(registry).getManifest(repository, describeBytes(bytesFor(2)).digest),
      "DIGEST_INVALID",
    );
  });

  test("getTag and resolveTag compute the digest when the registry tells none", async () => {
    const registry = await serve(() => theManifest);
    const client = clientOf(registry);
    expect((await client.getTag(repository, tag)).descriptor.digest).toBe(digest);
    expect(await client.resolveTag(repository, tag)).toMatchObject({ digest, size: manifest.byteLength });
    expect(registry.seen.map(({ method }) => method)).toEqual(["GET", "HEAD", "GET"]);
  });
});
