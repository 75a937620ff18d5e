import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type BerthWithAccounts, basic, startBerthWithAccounts } from "./fixtures/accounts.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { type LocalIssuer, startIssuer } from "./fixtures/issuers.ts";
import {
  clientId,
  clientSecret,
  openBrowser,
  type ProviderPerson,
  type RunningProvider,
  startOidcProvider,
} from "./fixtures/oidc-provider.ts";
import { makeTemporaryFolder, startProcess } from "./fixtures/processes.ts";
import { pushImage } from "./fixtures/pushes.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

let berth: BerthWithAccounts;
let provider: RunningProvider;
let builds: LocalIssuer;
let folder: string;
const people = new Map<string, ProviderPerson>([
  ["olga", { groups: ["gallery-writers", "staff"] }],
  ["admin", { groups: [], email: "admin@example.com" }],
]);

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  [provider, builds] = await Promise.all([startOidcProvider(people), startIssuer()]);
  await writeFile(join(folder, "client-secret"), `${clientSecret}\n`);
  await writeFile(
    join(folder, "berth.yaml"),
    `access:
  oidc: { issuer: "${provider.url}", client-id: ${clientId}, client-secret-file: ${join(folder, "client-secret")} }
  workloads:
    - name: github-main
      issuer: "${builds.url}"
      audience: berth
      claims: { repository: acme/app, ref: refs/heads/main }
      grants: [{ role: writer, repositories: acme/app }]
      lifetime: 15m
`,
  );
  berth = await startBerthWithAccounts({ args: ["--config", join(folder, "berth.yaml"), "--workers", "2"] });
  provider.register(`${berth.url}/login/callback`);
  await berth.grant("group:gallery-writers", "writer", "gallery/*");
});
afterAll(async () => {
  await Promise.all([berth?.stop(), provider?.stop(), builds?.stop()]);
  await rm(folder, { recursive: true });
});

interface Whoami {
  readonly name: string;
  readonly credential: string;
  readonly grants: readonly { readonly role: string; readonly repositories: string }[];
}

describe("a browser's login", () => {
  test("a person logs in with the provider, and has what its groups have", async () => {
    const browser = openBrowser({ login: "olga", password: "whatever" });
    const page = await browser.visit(`${berth.url}/login?then=/api/v1/whoami`);
    expect(page.url.href).toBe(`${berth.url}/api/v1/whoami`);
    const me = JSON.parse(page.text) as Whoami;
    expect(me).toMatchObject({ name: "olga", grants: [{ role: "writer", repositories: "gallery/*" }] });
    expect(me.credential).toStartWith("login ");
    expect(await berth.manage("GET", "/accounts/olga")).toMatchObject({
      source: provider.url,
      groups: ["gallery-writers", "staff"],
    });

    // Another site's page cannot use the login to change anything.
    const change = (headers: Record<string, string>) =>
      browser.send(new URL(`${berth.url}/api/v1/accounts/olga/tokens`), {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ name: "page" }),
      });
    expect((await change({})).status).toBe(403);
    expect((await change({ origin: "https://evil.example" })).status).toBe(403);
    expect((await change({ origin: berth.url })).status).toBe(200);

    const out = (origin: string) =>
      browser.send(new URL(`${berth.url}/logout`), { method: "POST", headers: { origin } });
    const session = browser.cookies(berth.host).get("berth_session");
    expect((await out("https://evil.example")).status).toBe(403);
    expect((await out(berth.url)).status).toBe(302);
    const headers = { cookie: `berth_session=${session}` };
    while ((await fetch(`${berth.url}/api/v1/whoami`, { headers })).status !== 401); // in every worker, soon
  });

  test("groups are those of the last login", async () => {
    people.set("olga", { groups: ["staff"] });
    const page = await openBrowser({ login: "olga", password: "x" }).visit(
      `${berth.url}/login?then=/api/v1/whoami`,
    );
    expect((JSON.parse(page.text) as Whoami).grants).toEqual([]);
    people.set("olga", { groups: ["gallery-writers", "staff"] });
  });

  test("a login that was not begun in this browser, or leads elsewhere, is refused", async () => {
    const browser = openBrowser({ login: "olga", password: "x" });
    const begun = await browser.send(new URL(`${berth.url}/login`));
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
    const cross = openBrowser({});
    const callback = new URL(`${berth.url}/login/callback?code=x&state=${state}`);
    expect((await cross.send(callback)).status).toBe(401);
    expect((await browser.send(new URL(`${berth.url}/login/callback?code=x&state=other`))).status).toBe(401);
    expect((await browser.send(callback)).status).toBe(401);
    for (const elsewhere of ["//evil.example/", "https://evil.example/", "/\\evil.example"]) {
      const page = await openBrowser({ login: "olga", password: "x" }).visit(
        `${berth.url}/login?then=${encodeURIComponent(elsewhere)}`,
      );
      expect(page.url.host).toBe(berth.host);
    }
  });

  test("a name that is taken is not taken over", async () => {
    const page = await openBrowser({ login: "admin", password: "x" }).visit(
      `${berth.url}/login?then=/api/v1/whoami`,
    );
    expect(JSON.parse(page.text)).toMatchObject({ name: "admin@example.com", administrator: false });
  });
});

describe("a login by device", () => {
  const token = async (form: Record<string, string>) => {
    const answer = await fetch(`${berth.url}/token`, { method: "POST", body: new URLSearchParams(form) });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };

  test("the command line gets a login when a person confirms it in a browser", async () => {
    const answer = await fetch(`${berth.url}/login/device`, { method: "POST" });
    const begun = (await answer.json()) as Record<string, string>;
    const poll = () =>
      token({
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: begun.device_code ?? "",
        scope: "repository:gallery/app:pull,push",
      });
    expect(await poll()).toEqual({ status: 400, body: { error: "authorization_pending" } });
    await openBrowser({ login: "olga", password: "x" }).visit(begun.verification_uri_complete ?? "");
    const { body } = await poll();
    expect(body.scope).toBe("repository:gallery/app:pull,push");
    const refreshed = await token({ grant_type: "refresh_token", refresh_token: body.refresh_token ?? "" });
    expect(refreshed.status).toBe(200);
    await pushImage(berth.url, "gallery/app", "1.0", [10], `Bearer ${body.access_token}`);
    expect((await poll()).status).toBe(401); // a code is good once
    // Who is disabled stays outside, whatever the provider says.
    await berth.manage("PUT", "/accounts/olga", { disabled: true });
    expect(
      (await token({ grant_type: "refresh_token", refresh_token: body.refresh_token ?? "" })).status,
    ).toBe(401);
    await berth.manage("PUT", "/accounts/olga", { disabled: false });
  });

  test("berth login --device waits until a person confirmed it", async () => {
    const home = join(folder, "olga");
    const main = join(import.meta.dir, "..", "src", "cli", "main.ts");
    const env = { HOME: home, DOCKER_CONFIG: home };
    const command = startProcess(process.execPath, [main, "login", "--device", berth.host], { env });
    const [, address = ""] = await command.waitForOutput(/Open (\S+)\n.*the code/);
    await openBrowser({ login: "olga", password: "x" }).visit(address);
    expect(await command.exited).toBe(0);
    expect(command.output()).toContain("Login Succeeded");
    const { stdout } = await runBerth(["whoami", berth.host], { env });
    expect(stdout).toStartWith("olga (person, by login ");
  });

  test("a wrong code is refused", async () => {
    const form = { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: "x" };
    expect((await token(form)).status).toBe(401);
  });
});

describe.skipIf(!isAvailable("chromium"))("a real browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: programPath("chromium"), args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  async function logIn(page: Page, name: string): Promise<void> {
    await page.fill("input[name=login]", name);
    await page.fill("input[name=password]", "whatever");
    await page.click("button[type=submit]");
    await page.click("button[type=submit]"); // consent
  }

  test("a person logs in with the provider, and the page has the login but not its secret", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${berth.url}/login?then=/api/v1/openapi.json`);
    await logIn(page, "olga");
    await page.waitForURL(`${berth.url}/api/v1/openapi.json`);
    const ask = (method: string, path: string, body?: string) =>
      page.evaluate(
        async ([how, where, what]) => {
          const headers = { "content-type": "application/json" };
          const answer = await fetch(String(where), {
            method: String(how),
            headers,
            ...(what ? { body: what } : {}),
          });
          return {
            status: answer.status,
            text: await answer.text(),
            cookies: (globalThis as { document?: { cookie: string } }).document?.cookie ?? "",
          };
        },
        [method, path, body],
      );
    const me = await ask("GET", "/api/v1/whoami");
    expect(JSON.parse(me.text)).toMatchObject({ name: "olga", kind: "person" });
    expect(me.cookies).not.toContain("berth_session");
    expect((await ask("POST", "/api/v1/accounts/olga/tokens", '{"name":"page"}')).status).toBe(200);

    // A page of another origin has the browser send the cookie neither by a form nor by a script.
    const other = await context.newPage();
    await other.goto(provider.url, { waitUntil: "commit" }).catch(() => {});
    const status = await other.evaluate(async (url) => {
      const answer = await fetch(url, {
        method: "POST",
        mode: "no-cors",
        credentials: "include",
        body: "{}",
      });
      return answer.type;
    }, `${berth.url}/logout`);
    expect(status).toBe("opaque");
    expect(JSON.parse((await ask("GET", "/api/v1/whoami")).text)).toMatchObject({ name: "olga" });
    await context.close();
  });

  test("a person confirms a login by device", async () => {
    const begun = (await (await fetch(`${berth.url}/login/device`, { method: "POST" })).json()) as Record<
      string,
      string
    >;
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(begun.verification_uri ?? "");
    await page.fill("input[name=user_code]", begun.user_code ?? "");
    await page.click("button[type=submit]");
    await page.click("button[type=submit]:not([name=abort])"); // it is the code that the command line shows
    await logIn(page, "olga");
    const form = {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: begun.device_code ?? "",
    };
    let answer: Response;
    do answer = await fetch(`${berth.url}/token`, { method: "POST", body: new URLSearchParams(form) });
    while (answer.status === 400);
    expect(answer.status).toBe(200);
    await context.close();
  });
});

describe("a build job", () => {
  const exchange = async (subjectToken: string) => {
    const form = {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      subject_token: subjectToken,
    };
    const answer = await fetch(`${berth.url}/token`, { method: "POST", body: new URLSearchParams(form) });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };
  const claims = { repository: "acme/app", ref: "refs/heads/main", sub: "repo:acme/app:ref:refs/heads/main" };

  test("a job exchanges its token for one that pushes what its rule says", async () => {
    const { status, body } = await exchange(await builds.sign({ ...claims, jti: "1" }));
    expect(status).toBe(200);
    expect(Number(body.expires_in)).toBeGreaterThan(890);
    const authorization = basic(body.username ?? "", body.access_token ?? "");
    await pushImage(berth.url, "acme/app", "1.0", [10], authorization);
    const denied = await fetch(`${berth.url}/v2/acme/other/blobs/uploads/`, {
      method: "POST",
      headers: { authorization },
    });
    expect(denied.status).toBe(403);
    const { entries } = (await berth.manage("GET", "/audit?actor=github-main&n=1000")) as {
      entries: Record<string, string>[];
    };
    expect(entries).toContainEqual(
      expect.objectContaining({ action: "push", outcome: "done", repository: "acme/app" }),
    );
    const exchanged = entries.find(({ action, detail }) => action === "login" && detail === claims.sub);
    expect(exchanged?.credential).toMatch(/^token \w+$/);
    const pushed = entries.find(({ action }) => action === "push");
    expect(pushed?.credential).toBe(exchanged?.credential ?? "");
  });

  test("berth login --workload-stdin logs a job in, once", async () => {
    const env = { HOME: join(folder, "job"), DOCKER_CONFIG: join(folder, "job") };
    const stdin = await builds.sign({ ...claims, jti: "cli" });
    const logIn = () => runBerth(["login", "--workload-stdin", berth.host], { env, stdin });
    expect(await logIn()).toMatchObject({ exitCode: 0, stdout: "Login Succeeded\n" });
    const { stdout } = await runBerth(["whoami", berth.host], { env });
    expect(stdout).toMatch(/^github-main \(workload, by token \w+\)\n {2}writer on acme\/app\n$/);
    const again = await logIn();
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("it was used before");
    expect(again.stderr).not.toContain(stdin);
  });

  test("a job that no rule names, a replayed and a forged token get nothing", async () => {
    const branch = await builds.sign({ ...claims, ref: "refs/heads/feature", jti: "2" });
    expect((await exchange(branch)).status).toBe(403);
    const once = await builds.sign({ ...claims, jti: "3" });
    const both = await Promise.all([exchange(once), exchange(once)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401]);
    expect((await exchange(`${once.slice(0, -4)}AAAA`)).status).toBe(401);
    // Nothing of all this is in the log.
    const printed = berth.process.output();
    for (const secret of [clientSecret, branch, once]) expect(printed).not.toContain(secret);
    expect(printed).not.toMatch(/berth_(pat|robot|refresh|job)_|eyJ/);
    // As a password, such a token is nothing.
    const asPassword = await fetch(`${berth.url}/v2/`, {
      headers: { authorization: basic("github-main", await builds.sign({ ...claims, jti: "4" })) },
    });
    expect(asPassword.status).toBe(401);
  });
});
