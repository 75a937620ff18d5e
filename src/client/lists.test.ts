import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { useOddRegistries } from "../../tests/fixtures/odd-registries.ts";
import {
  type Reply,
  type ReplyServer,
  type SeenRequest,
  serveReplies,
} from "../../tests/fixtures/reply-servers.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { parseRepositoryName } from "../oci/names.ts";
import {
  allPages,
  bytesFor,
  describeBytes,
  errorOf,
  imageBytes,
  indexBytes,
  jsonBytes,
} from "../registry/contract/fixtures.ts";
import { type Client, createClient } from "./client.ts";

const repository = parseRepositoryName("team/app");

const odd = useOddRegistries();

async function serve(
  answer: (request: SeenRequest) => Reply,
): Promise<{ server: ReplyServer; client: Client }> {
  const server = await odd.serve(answer);
  return { server, client: odd.clientOf(server) };
}

const queryOf = ({ path }: SeenRequest) => new URL(path, "http://x").searchParams;

/** How a registry gives lists. */
interface Habits {
  /** In which order: that of bytes, or its own. */
  readonly order: "bytes" | "own";
  /** The most items of a page, whatever is asked for; undefined for all at once. */
  readonly cap: number | undefined;
  /** Whether it goes by `n` and `last`, or by a token of its own. */
  readonly goesBy: "last" | "token" | "nothing";
  /** What its links begin with: a host that nobody else knows it by, a slash, or neither. */
  readonly links: "http://inner.example.com/" | "/" | "";
}

function listTags(all: readonly string[], { order, cap, goesBy, links }: Habits) {
  const sorted =
    order === "bytes"
      ? [...all].sort()
      : [...all].sort((a, b) => (a.split("").reverse().join("") < b.split("").reverse().join("") ? -1 : 1));
  return (request: SeenRequest): Reply => {
    const query = queryOf(request);
    const last = query.get("last");
    const behind = last === null || goesBy !== "last" ? 0 : sorted.indexOf(last) + 1;
    const start = goesBy === "token" ? Number(query.get("token") ?? 0) : behind;
    const wanted =
      goesBy === "nothing" || !query.has("n") ? Number.POSITIVE_INFINITY : Number(query.get("n"));
    const most =
      goesBy === "nothing" ? Number.POSITIVE_INFINITY : Math.min(wanted, cap ?? Number.POSITIVE_INFINITY);
    const tags = sorted.slice(start, start + most);
    const rest = sorted.length > start + tags.length;
    const next = goesBy === "token" ? `token=${start + tags.length}` : `last=${tags.at(-1)}`;
    const link = `${links}v2/team/app/tags/list?n=${most}&${next}`;
    return {
      headers: rest && tags.length > 0 ? { link: `<${link}>; rel="next"` } : {},
      body: JSON.stringify({ name: "team/app", tags }),
    };
  };
}

const anyHabits: fc.Arbitrary<Habits> = fc.record({
  order: fc.constantFrom("bytes" as const, "own" as const),
  cap: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  goesBy: fc.constantFrom("last" as const, "token" as const, "nothing" as const),
  links: fc.constantFrom("http://inner.example.com/" as const, "/" as const, "" as const),
});

describe("listTags", () => {
  test("listTags gives every tag once, whatever a registry's habits are", async () => {
    const anyTags = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,3}$/), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        anyTags,
        anyHabits,
        fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
        async (tags, habits, limit) => {
          const server = await serveReplies(listTags(tags, habits));
          const client = createClient(server.host, { retries: { attempts: 1 } });
          try {
            const found: string[] = [];
            let after: string | undefined;
            do {
              const page = await client.listTags(repository, {
                ...(limit === undefined ? {} : { limit }),
                ...(after === undefined ? {} : { after }),
              });
              found.push(...page.items);
              after = page.next;
            } while (after !== undefined);
            expect(found.toSorted()).toEqual(tags.toSorted());
            if (habits.order === "bytes" || habits.goesBy === "nothing")
              expect(found).toEqual(tags.toSorted());
          } finally {
            client.close();
            await server.stop();
          }
        },
      ),
      { numRuns: 80 },
    );
  }, 60_000);

  test("listTags takes null for an empty list", async () => {
    const { client } = await serve(() => ({ body: '{"name":"team/app","tags":null}' }));
    expect(await client.listTags(repository)).toEqual({ items: [] });
  });

  test("listTags ends when a link leads in a circle", async () => {
    const { client, server } = await serve(({ path }) => ({
      headers: { link: `<${path}>; rel=next` },
      body: '{"tags":["b","a"]}',
    }));
    expect(await client.listTags(repository)).toEqual({ items: ["b", "a"] as never });
    expect(server.seen.length).toBe(1);
  });

  test("listTags passes over links to something else and names that are no tags", async () => {
    const { client } = await serve(() => ({
      headers: { link: '</other>; rel="prev", <https://example.com/docs>; rel="help"' },
      body: '{"tags":["a","no tag",7]}',
    }));
    expect(await client.listTags(repository)).toEqual({ items: ["a"] as never });
  });

  test("listTags refuses to go on at another host", async () => {
    const { client } = await serve(() => ({ body: '{"tags":[]}' }));
    await errorOf(client.listTags(repository, { after: "//evil.example.com/v2/" }), "UNSUPPORTED");
  });
});

describe("listReferrers without the referrers API", () => {
  const subject = describeBytes(indexBytes([]), mediaTypes.ociIndex);
  const config = describeBytes(jsonBytes({}), mediaTypes.ociConfig);
  const fallback = `/v2/team/app/manifests/${subject.digest.replace(":", "-")}`;
  const referrerOf = (artifactType: string) => {
    const bytes = imageBytes(config, [], { subject, artifactType, annotations: { of: artifactType } });
    return { bytes, descriptor: describeBytes(bytes, mediaTypes.ociManifest), artifactType };
  };

  /** A registry that knows manifests and nothing of referrers. */
  async function serveManifests({ deletes = true, answer = 404 } = {}) {
    const manifests = new Map<string, { readonly bytes: Buffer; readonly type: string }>();
    const { server, client } = await serve(({ method, path, headers, body }): Reply => {
      if (path.includes("/referrers/")) return { status: answer };
      const digest = describeBytes(body).digest;
      if (method === "PUT") {
        const stored = { bytes: body, type: headers["content-type"] ?? "" };
        manifests.set(path, stored);
        manifests.set(`/v2/team/app/manifests/${digest}`, stored);
        return { status: 201 };
      }
      const found = manifests.get(path);
      if (method === "DELETE") {
        if (!deletes) return { status: 405 };
        for (const [name, { bytes }] of manifests) if (found?.bytes.equals(bytes)) manifests.delete(name);
        return { status: found ? 202 : 404 };
      }
      if (!found) return { status: 404 };
      return {
        headers: { "content-type": found.type },
        body: method === "HEAD" ? "" : new Uint8Array(found.bytes),
      };
    });
    return { server, client, manifests };
  }

  const push = (client: Client, { bytes }: { readonly bytes: Uint8Array }) =>
    client.putManifest(repository, { bytes, mediaType: "", tags: [] });
  const listed = async (client: Client, artifactType?: string) =>
    (await client.listReferrers(repository, subject.digest, artifactType ? { artifactType } : {})).items;

  test.each([404, 405, 501])(
    "putManifest keeps an index under the fallback tag when the API answers %d",
    async (answer) => {
      const { client, manifests } = await serveManifests({ answer });
      const [signature, sbom] = [referrerOf("example/sig"), referrerOf("example/sbom")];
      expect(await listed(client)).toEqual([]);
      for (const each of [signature, sbom, signature]) {
        expect((await push(client, each)).subject).toBe(subject.digest);
      }
      const index = JSON.parse(manifests.get(fallback)?.bytes.toString() ?? "{}");
      expect(index).toMatchObject({ schemaVersion: 2, mediaType: mediaTypes.ociIndex });
      const expected = [signature, sbom].map(({ descriptor, artifactType }) => ({
        ...descriptor,
        artifactType,
        annotations: { of: artifactType },
      }));
      expect(index.manifests).toEqual(expected);
      expect(await listed(client, "example/sbom")).toEqual(expected.slice(1));
      const pages = await allPages((page) => client.listReferrers(repository, subject.digest, page), 1);
      expect(pages).toEqual(expected.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)));
    },
  );

  test("putManifest loses no referrer when many are pushed at once", async () => {
    const { client } = await serveManifests();
    const all = Array.from({ length: 8 }, (_, at) => referrerOf(`example/${at}`));
    await Promise.all(all.map((each) => push(client, each)));
    expect((await listed(client)).length).toBe(8);
  });

  test.each([true, false])(
    "deleteManifest takes a referrer off the list when the registry deletes: %s",
    async (deletes) => {
      const { client, manifests } = await serveManifests();
      const [one, two] = [referrerOf("example/1"), referrerOf("example/2")];
      await push(client, one);
      await push(client, two);
      await client.deleteManifest(repository, one.descriptor.digest);
      expect((await listed(client)).map(({ digest }) => digest)).toEqual([two.descriptor.digest]);
      if (!deletes) return;
      await client.deleteManifest(repository, two.descriptor.digest);
      expect(await listed(client)).toEqual([]);
      expect(manifests.has(fallback)).toBe(false);
    },
  );

  test("putManifest leaves the fallback tag alone when the registry answers with OCI-Subject", async () => {
    const { client, server } = await serve(() => ({
      status: 201,
      headers: { "oci-subject": subject.digest },
    }));
    await push(client, referrerOf("example/sig"));
    expect(server.seen.map(({ method }) => method)).toEqual(["PUT"]);
  });

  test("putManifest does not write over a fallback tag that is something else", async () => {
    const { client } = await serveManifests();
    const image = imageBytes(config, []);
    await client.putManifest(repository, {
      bytes: image,
      mediaType: mediaTypes.ociManifest,
      tags: [subject.digest.replace(":", "-") as never],
    });
    const { message } = await errorOf(push(client, referrerOf("example/sig")), "MANIFEST_INVALID");
    expect(message).toContain("is no index");
    expect(await listed(client)).toEqual([]);
  });

  test("listReferrers filters when the registry does not", async () => {
    const descriptors = ["example/a", "example/b"].map((artifactType, at) => ({
      ...describeBytes(bytesFor(at), mediaTypes.ociManifest),
      artifactType,
    }));
    const { client } = await serve(() => ({ body: new Uint8Array(indexBytes(descriptors)) }));
    expect((await listed(client, "example/b")).map(({ artifactType }) => artifactType)).toEqual([
      "example/b",
    ]);
  });
});
