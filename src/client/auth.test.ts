import { describe, expect, test } from "bun:test";
import { useOddRegistries } from "../../tests/fixtures/odd-registries.ts";
import type { Reply, SeenRequest } from "../../tests/fixtures/reply-servers.ts";
import { parseRepositoryName, parseTag } from "../oci/names.ts";
import { describeBytes, errorOf, imageBytes, jsonBytes } from "../registry/contract/fixtures.ts";
import type { Credentials } from "./credentials.ts";

const repository = parseRepositoryName("team/app");
const other = parseRepositoryName("team/other");
const tag = parseTag("1.0");
const manifest = imageBytes(describeBytes(jsonBytes({})), []);
const type = "application/vnd.oci.image.manifest.v1+json";

const { serve, clientOf } = useOddRegistries();

const theManifest: Reply = { headers: { "content-type": type }, body: manifest };
const unauthorized = (challenge: string): Reply => ({
  status: 401,
  headers: { "www-authenticate": challenge, "content-type": "application/json" },
  body: '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
});
const ada: Credentials = { username: "ada", password: "pässword: 1" };
const adaBasic = `Basic ${Buffer.from("ada:pässword: 1").toString("base64")}`;

/** A registry that wants tokens, and the service that gives them. */
async function serveTokens(
  token: (request: SeenRequest, count: number) => Reply,
  allows = (authorization: string | undefined, _request: SeenRequest) =>
    authorization?.startsWith("Bearer ") === true,
  scope = "repository:team/app:pull",
) {
  let count = 0;
  const service = await serve((request) => token(request, ++count));
  const realm = `Bearer realm="${service.url}/token?x=y",service="registry, of example",scope="${scope}"`;
  const registry = await serve((request) => {
    if (!allows(request.headers.authorization, request)) return unauthorized(realm);
    if (request.path === "/v2/") return {};
    return theManifest;
  });
  return { service, registry };
}

const tokenReply = (token: string, more: object = {}): Reply => ({
  body: JSON.stringify({ token, ...more }),
});
const queryOf = ({ path }: SeenRequest) => new URL(path, "http://x").searchParams;

describe("anonymous", () => {
  test("getTag sends no Authorization when the registry asks for none", async () => {
    const registry = await serve(() => theManifest);
    let asked = 0;
    const client = clientOf(registry, { credentials: () => void asked++ });
    await client.getTag(repository, tag);
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    expect(asked).toBe(0);
  });

  test("getTag says to log in when the registry wants to know who asks and nobody is given", async () => {
    const registry = await serve(() => unauthorized('Basic realm="r"'));
    const { message } = await errorOf(clientOf(registry).getTag(repository, tag), "UNAUTHORIZED");
    expect(message).toBe(
      `cannot get manifest 1.0 of ${registry.host}/team/app: authentication required (401 UNAUTHORIZED): ` +
        `${registry.host} wants to know who asks: log in`,
    );
    expect(registry.seen.length).toBe(1);
  });
});

describe("Basic", () => {
  const basic = (request: SeenRequest): Reply =>
    request.headers.authorization === adaBasic
      ? theManifest
      : unauthorized('Basic realm="r", charset="UTF-8"');

  test("getTag sends user name and password when the registry asks, and then at once", async () => {
    const registry = await serve(basic);
    const client = clientOf(registry, { credentials: () => ada });
    await client.getTag(repository, tag);
    await client.getTag(repository, tag);
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      adaBasic,
      adaBasic,
    ]);
  });

  test("getTag says that the password is wrong when it is refused, and asks for another the next time", async () => {
    const registry = await serve(basic);
    const tries: Credentials[] = [{ username: "ada", password: "wrong-secret" }, ada];
    const client = clientOf(registry, { credentials: () => tries.shift() });
    const { message } = await errorOf(client.getTag(repository, tag), "UNAUTHORIZED");
    expect(message).toContain("refused the credentials that it was given: log in again");
    expect(message).not.toContain("wrong-secret");
    await client.getTag(repository, tag);
  });

  test("ping takes the credentials, and rejects when they are wrong", async () => {
    const registry = await serve(basic);
    await clientOf(registry, { credentials: () => ada }).ping();
    const wrong = clientOf(registry, { credentials: () => ({ username: "ada", password: "x" }) });
    await errorOf(wrong.ping(), "UNAUTHORIZED");
    await errorOf(clientOf(registry).ping(), "UNAUTHORIZED");
  });
});

describe("Bearer", () => {
  test("getTag gets a token for its scope, anonymously, and uses it again", async () => {
    const { service, registry } = await serveTokens(() => tokenReply("t1"));
    const client = clientOf(registry);
    await client.getTag(repository, tag);
    await client.getTag(repository, tag);
    expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      "Bearer t1",
      "Bearer t1",
    ]);
    expect(service.seen.length).toBe(1);
    const [request] = service.seen as [SeenRequest]; // safe: just counted
    expect(request.method).toBe("GET");
    expect(Object.fromEntries(queryOf(request))).toEqual({
      x: "y",
      service: "registry, of example",
      scope: "repository:team/app:pull",
    });
    expect(request.headers.authorization).toBeUndefined();
  });

  test("getTag proves who asks to the token service, and to nobody else", async () => {
    const { service, registry } = await serveTokens(() => tokenReply("t1"));
    await clientOf(registry, { credentials: () => ada }).getTag(repository, tag);
    expect(service.seen.map(({ headers }) => headers.authorization)).toEqual([adaBasic]);
    expect(service.seen.map((request) => queryOf(request).get("account"))).toEqual(["ada"]);
    for (const { headers } of registry.seen) expect(headers.authorization).not.toBe(adaBasic);
  });

  test("getTag asks for one token when many want it at once, and for another when the repository is another", async () => {
    const { service, registry } = await serveTokens((_, count) => tokenReply(`t${count}`));
    const client = clientOf(registry);
    await client.ping();
    await Promise.all(Array.from({ length: 5 }, () => client.getTag(repository, tag)));
    await client.getTag(other, tag);
    const scopes = service.seen.map((request) => queryOf(request).getAll("scope"));
    expect(scopes).toEqual([
      ["repository:team/app:pull"], // the challenge's own, by which ping found out
      ["repository:team/other:pull"],
    ]);
  });

  test("getTag gets a new token when the old one has expired", async () => {
    const { service, registry } = await serveTokens((_, count) =>
      tokenReply(`t${count}`, { expires_in: 0.001 }),
    );
    const client = clientOf(registry);
    await client.getTag(repository, tag);
    const before = Date.now();
    while (Date.now() <= before + 1); // it lives for a millisecond
    await client.getTag(repository, tag);
    expect(service.seen.length).toBe(2);
    expect(registry.seen.at(-1)?.headers.authorization).toBe("Bearer t2");
  });

  test("getTag gets a new token when the registry no longer takes the old one", async () => {
    const refused = new Set<string>();
    const { service, registry } = await serveTokens(
      (_, count) => ({ body: JSON.stringify({ access_token: `t${count}`, expires_in: 3600 }) }),
      (authorization) => authorization !== undefined && !refused.has(authorization),
    );
    const client = clientOf(registry);
    await client.getTag(repository, tag);
    refused.add("Bearer t1");
    await client.getTag(repository, tag);
    expect(service.seen.length).toBe(2);
  });

  test("getTag asks for what the registry demands beyond what seemed needed", async () => {
    const { service, registry } = await serveTokens(
      (request) => tokenReply(queryOf(request).getAll("scope").join("+").replaceAll(":", ".")),
      (authorization) => authorization?.includes("special") === true,
      "repository:team/app:special",
    );
    await clientOf(registry).getTag(repository, tag);
    expect(queryOf(service.seen[0] as SeenRequest).getAll("scope")).toEqual([
      "repository:team/app:pull,special",
    ]);
  });

  test("getTag says who may not when a token does not allow it", async () => {
    const { registry, service } = await serveTokens(
      () => tokenReply("weak"),
      () => false,
    );
    const anonymous = await errorOf(clientOf(registry).getTag(repository, tag), "UNAUTHORIZED");
    expect(anonymous.message).toContain("not allowed without a login");
    const known = await errorOf(
      clientOf(registry, { credentials: () => ada }).getTag(repository, tag),
      "UNAUTHORIZED",
    );
    expect(known.message).toContain('"ada" may not');
    expect(registry.seen.length).toBeLessThanOrEqual(6);
    expect(service.seen.length).toBeLessThanOrEqual(4);
  });

  test("getTag tells that the token service refused the password", async () => {
    const { registry, service } = await serveTokens(() => ({
      status: 401,
      headers: { "content-type": "application/json" },
      body: `{"details":"incorrect username or password, not ${ada.password}"}`,
    }));
    const { message } = await errorOf(
      clientOf(registry, { credentials: () => ada }).getTag(repository, tag),
      "UNAUTHORIZED",
    );
    expect(message).toBe(
      `cannot log in to ${registry.host}: incorrect username or password, not *** (401): ` +
        `the token service ${service.host} refused the user name or password of "ada": log in again`,
    );
  });

  test("getTag sends no credentials to a token service that is not safe", async () => {
    const registry = await serve(() => unauthorized('Bearer realm="http://tokens.example.com/"'));
    await errorOf(
      clientOf(registry, { credentials: () => ada, plainHttp: true }).getTag(repository, tag),
      "UNAVAILABLE", // with a registry over plain HTTP the realm may be so too: it is asked, and not there
    );
    const strange = await serve(() => unauthorized('Bearer realm="ftp://tokens.example.com/"'));
    const { message } = await errorOf(clientOf(strange).getTag(repository, tag), "UNAUTHORIZED");
    expect(message).toContain("expected an https: address");
  });

  test("getTag prefers Bearer when Basic is offered too, in one header or two", async () => {
    const service = await serve(() => tokenReply("t1"));
    const registry = await serve(({ headers: { authorization } }) =>
      authorization === "Bearer t1"
        ? theManifest
        : unauthorized(`Basic realm="a, b", Bearer realm="${service.url}/", service="s"`),
    );
    await clientOf(registry, { credentials: () => ada }).getTag(repository, tag);
    expect(registry.seen.length).toBe(2);
  });

  test("getTag uses a registry token as it is", async () => {
    const { service, registry } = await serveTokens(() => tokenReply("t1"));
    await clientOf(registry, { credentials: () => ({ registryToken: "mine" }) }).getTag(repository, tag);
    expect(registry.seen.at(-1)?.headers.authorization).toBe("Bearer mine");
    expect(service.seen).toEqual([]);
  });
});

describe("identity tokens", () => {
  const refresh: Credentials = { refreshToken: "identity", username: "ada" };

  test("getTag exchanges an identity token by OAuth 2's POST", async () => {
    const { service, registry } = await serveTokens(({ method }) =>
      method === "POST" ? { body: '{"access_token":"t1","expires_in":300}' } : { status: 500 },
    );
    await clientOf(registry, { credentials: () => refresh }).getTag(repository, tag);
    const [request] = service.seen as [SeenRequest]; // safe: the exchange came here
    expect(request.path).toBe("/token?x=y");
    expect(request.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(Object.fromEntries(new URLSearchParams(request.body.toString()))).toEqual({
      grant_type: "refresh_token",
      client_id: "berth",
      refresh_token: "identity",
      service: "registry, of example",
      scope: "repository:team/app:pull",
    });
  });

  test("getTag goes on with the newer identity token when the service gives one", async () => {
    const { service, registry } = await serveTokens((_, count) => ({
      body: JSON.stringify({ access_token: `t${count}`, refresh_token: `identity${count}` }),
    }));
    const client = clientOf(registry, { credentials: () => refresh });
    await client.getTag(repository, tag);
    await client.getTag(other, tag);
    const sent = service.seen.map(({ body }) => new URLSearchParams(body.toString()).get("refresh_token"));
    expect(sent).toEqual(["identity", "identity1"]);
  });

  test("getTag asks by GET when the service knows no POST", async () => {
    const { service, registry } = await serveTokens(({ method }) =>
      method === "GET" ? tokenReply("t1") : { status: 405 },
    );
    await clientOf(registry, { credentials: () => refresh }).getTag(repository, tag);
    expect(service.seen.map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect(service.seen[1]?.headers.authorization).toBe(
      `Basic ${Buffer.from("ada:identity").toString("base64")}`,
    );
  });

  test("ping asks for an identity token when somebody wants to be told it, and says which it got", async () => {
    const { service, registry } = await serveTokens((request) =>
      tokenReply("t1", queryOf(request).get("offline_token") === "true" ? { refresh_token: "identity" } : {}),
    );
    const told: string[] = [];
    await clientOf(registry, { credentials: () => ada, onRefreshToken: (token) => told.push(token) }).ping();
    expect(told).toEqual(["identity"]);
    expect(queryOf(service.seen.at(-1) as SeenRequest).get("client_id")).toBe("berth");
  });
});
