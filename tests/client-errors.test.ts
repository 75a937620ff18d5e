import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Client,
  type ClientOptions,
  type Credentials,
  createClient,
  createTransport,
} from "../src/client/index.ts";
import { parseRepositoryName, type RegistryError, type Tag } from "../src/oci/index.ts";
import {
  repositoryA as a,
  bytesFor,
  errorOf,
  failureOf,
  pushImage,
  tags,
} from "../src/registry/contract/fixtures.ts";
import { copy, createMemoryRegistry } from "../src/registry/index.ts";
import { streamOf } from "../src/registry/streams.ts";
import { makeCertificate } from "./fixtures/certificates.ts";
import { mayMount } from "./fixtures/disks.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

const [one, two] = tags("1.0", "2.0") as [Tag, Tag]; // safe: two names give two tags
const password = "correct horse battery staple";
const admin: Credentials = { username: "admin", password };

let folder: string;
let guarded: RunningRegistry;
const clients: Client[] = [];

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  const settings = join(folder, "berth.yaml");
  await Bun.write(join(folder, "password"), password);
  const access = { open: "none", "admin-password-file": join(folder, "password") };
  await Bun.write(settings, JSON.stringify({ access })); // JSON is YAML
  guarded = await startBerth({ args: ["--config", settings] });
  await pushImage(clientOf(guarded, { credentials: () => admin }), a, { tags: [one] });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await guarded?.stop();
  await rm(folder, { recursive: true });
});

function clientOf({ host }: RunningRegistry, options: ClientOptions = {}): Client {
  const client = createClient(host, { retries: { attempts: 2, minDelayMs: 1 }, ...options });
  clients.push(client);
  return client;
}

const messageOf = async (error: Promise<RegistryError>): Promise<string> => (await error).message;

describe("Berth with accounts", () => {
  test("getTag works with the right password, and again with the identity token that it leads to", async () => {
    const told: string[] = [];
    const client = clientOf(guarded, {
      credentials: () => admin,
      onRefreshToken: (token) => told.push(token),
    });
    const found = await client.getTag(a, one);
    const [refreshToken = ""] = told;
    const later = clientOf(guarded, { credentials: () => ({ username: "admin", refreshToken }) });
    expect((await later.getTag(a, one)).descriptor).toEqual(found.descriptor);
  });

  test("getTag says whose password is wrong, and not which it was", async () => {
    const client = clientOf(guarded, {
      credentials: () => ({ username: "admin", password: "wrong-password" }),
    });
    const message = await messageOf(errorOf(client.getTag(a, one), "UNAUTHORIZED"));
    expect(message).toStartWith(`cannot log in to ${guarded.host}: `);
    expect(message).toContain('"admin": log in again');
    expect(message).not.toContain("wrong-password");
  });

  test("getTag tells the anonymous to log in", async () => {
    const message = await messageOf(errorOf(clientOf(guarded).getTag(a, one), "UNAUTHORIZED"));
    expect(message).toStartWith(`cannot get manifest 1.0 of ${guarded.host}/team/a: `);
    expect(message).toEndWith(`: log in to ${guarded.host}`);
  });

  test("appendUpload hears why it is refused while it still sends", async () => {
    const id = "00000000-0000-4000-8000-000000000000";
    const large = () => streamOf(new Uint8Array(30_000_000));
    const known = clientOf(guarded, { credentials: () => admin });
    await known.getTag(a, one);
    await errorOf(known.appendUpload(a, id, large(), { size: 30_000_000 }), "BLOB_UPLOAD_UNKNOWN");
    await errorOf(clientOf(guarded).appendUpload(a, id, large(), { size: 30_000_000 }), "UNAUTHORIZED");
  });

  test("getTag names the tags that are there when one is not", async () => {
    const client = clientOf(guarded, { credentials: () => admin });
    const message = await messageOf(errorOf(client.getTag(a, two), "MANIFEST_UNKNOWN"));
    expect(message).toContain("it has 1.0");
    expect(await messageOf(errorOf(client.resolveTag(a, two), "MANIFEST_UNKNOWN"))).toContain("it has 1.0");
  });

  test("getTag names repositories that are near when one is not there", async () => {
    const client = clientOf(guarded, { credentials: () => admin });
    const near = parseRepositoryName("team/aa");
    const message = await messageOf(errorOf(client.getTag(near, one), "NAME_UNKNOWN"));
    expect(message).toContain("team/a");
  });
});

describe.skipIf(!isAvailable("docker-registry"))("docker-registry", () => {
  let peer: RunningRegistry;
  beforeAll(async () => {
    peer = await startDockerRegistry();
  });
  afterAll(() => peer.stop());

  test("getTag says which tag is not there, and deleteTag what can be done instead", async () => {
    const client = clientOf(peer);
    await pushImage(client, a, { tags: [one] });
    const missing = await messageOf(errorOf(client.getTag(a, two), "MANIFEST_UNKNOWN"));
    expect(missing).toBe(
      `cannot get manifest 2.0 of ${peer.host}/team/a: manifest unknown (404 MANIFEST_UNKNOWN)`,
    );
    const kept = await messageOf(errorOf(client.deleteTag(a, one), "UNSUPPORTED"));
    expect(kept).toContain("delete the manifest by its digest");
  });
});

describe.skipIf(!isAvailable("docker-registry", "openssl"))("docker-registry with TLS and passwords", () => {
  let peer: RunningRegistry;
  let authority: string;
  beforeAll(async () => {
    const tls = await makeCertificate(folder, "peer", { names: "IP:127.0.0.1" });
    authority = tls.certificate;
    peer = await startDockerRegistry({ users: { ada: password }, tls });
  });
  afterAll(() => peer?.stop());

  const secure = (credentials?: Credentials, caFiles = [authority]) =>
    clientOf(peer, {
      plainHttp: false,
      transport: createTransport({ caFiles }),
      ...(credentials ? { credentials: () => credentials } : {}),
    });

  test("copy moves an image with the right password and authority", async () => {
    const memory = createMemoryRegistry();
    const image = await pushImage(memory, a, { layers: [bytesFor(1, 3_000_000)], tags: [one] });
    const client = secure({ username: "ada", password });
    await copy(
      { registry: memory, repository: a, tag: one },
      { registry: client, repository: a, tags: [one] },
    );
    const back = createMemoryRegistry();
    await copy({ registry: client, repository: a, tag: one }, { registry: back, repository: a, tags: [one] });
    expect((await back.getTag(a, one)).descriptor).toEqual(image.descriptor);
  });

  test("ping says what is wrong: the password, the authority, the protocol", async () => {
    const wrong = await messageOf(
      errorOf(secure({ username: "ada", password: "wrong-one" }).ping(), "UNAUTHORIZED"),
    );
    expect(wrong).toContain(`${peer.host} refused the credentials that it was given: log in again`);
    expect(wrong).not.toContain("wrong-one");
    expect(await messageOf(errorOf(secure().ping(), "UNAUTHORIZED"))).toEndWith(": log in");
    expect(await messageOf(errorOf(secure(undefined, []).ping(), "UNAVAILABLE"))).toContain("is not trusted");
    const plain = await failureOf(clientOf(peer, { plainHttp: true }).ping());
    expect(plain).toMatchObject({
      message: expect.stringContaining("it wants HTTPS, and plain HTTP was sent"),
    });
  });
});

describe("a registry that goes away", () => {
  test("copy goes on where it stopped when the registry is there again", async () => {
    const data = join(folder, "data");
    const first = await startBerth({ data });
    const memory = createMemoryRegistry();
    const layers = [bytesFor(1, 1000), bytesFor(2, 8_000_000)];
    const image = await pushImage(memory, a, { layers, tags: [one] });
    const push = (client: Client, onBytes: (bytes: number) => void) =>
      copy(
        { registry: memory, repository: a, tag: one },
        { registry: client, repository: a, tags: [one] },
        {
          onEvent: (event) => event.state === "bytes" && event.descriptor.size > 1000 && onBytes(event.bytes),
        },
      );
    let isStopping = false;
    const failure = await failureOf(
      push(clientOf(first), (bytes) => {
        if (bytes < 1_000_000 || isStopping) return;
        isStopping = true;
        void first.process.stop("SIGKILL");
      }),
    );
    expect(failure).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining(first.host) });
    await first.stop();
    const second = await startBerth({ data });
    try {
      const client = clientOf(second);
      await push(client, () => {});
      expect((await client.getTag(a, one)).descriptor).toEqual(image.descriptor);
    } finally {
      await second.stop();
    }
  }, 60_000);
});

test.skipIf(!mayMount)(
  "copy says that the registry's disk is full, and goes through when there is room (needs root that may mount)",
  async () => {
    const disk = await makeTemporaryFolder();
    await succeed("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
    try {
      const berth = await startBerth({ data: join(disk, "data") });
      try {
        const memory = createMemoryRegistry();
        await pushImage(memory, a, { layers: [bytesFor(1, 12_000_000)], tags: [one] });
        const client = clientOf(berth);
        const push = () =>
          copy(
            { registry: memory, repository: a, tag: one },
            { registry: client, repository: a, tags: [one] },
          );
        const message = await messageOf(errorOf(push(), "STORAGE_FULL"));
        expect(message).toContain(`${berth.host}/team/a`);
        expect(message).toContain("full");
        await failureOf(client.getTag(a, one));
        await succeed("mount", ["-o", "remount,size=64m", disk]);
        await push();
        expect((await client.resolveTag(a, one)).size).toBeGreaterThan(0);
      } finally {
        await berth.stop();
      }
    } finally {
      await succeed("umount", [disk]);
      await rm(disk, { recursive: true });
    }
  },
  60_000,
);
