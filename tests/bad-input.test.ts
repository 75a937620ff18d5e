import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { mkdir, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { berthProgram } from "./fixtures/command-lines.ts";
import { mayMount } from "./fixtures/disks.ts";
import { startGate } from "./fixtures/gates.ts";
import { attempt, makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { startInTerminal } from "./fixtures/terminals.ts";
import { nameOnlyImage, newUser, putImage, type User } from "./fixtures/users.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

let folder: string;
let berth: RunningRegistry;
let user: User;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth();
  user = await newUser(folder);
});
afterAll(async () => {
  await berth?.stop();
  await rm(folder, { recursive: true });
});

/** Runs a command that has to fail. Resolves to its one message. */
async function failureOf(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await user.run(...args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  const [message, end, ...more] = stderr.split("\n");
  expect({ end, more }).toEqual({ end: "", more: [] });
  return message ?? "";
}

describe("one message with exit code 1", () => {
  test("says that a host is unknown, and what to check", async () => {
    expect(await failureOf("pull", "-q", "no-such-host.invalid/app")).toMatch(
      /^berth: cannot get manifest latest of no-such-host\.invalid\/app: no host "no-such-host\.invalid" can be found \(.*\): check the name, and the network$/,
    );
  });

  test("says that a connection was refused", async () => {
    const gone = await startBerth();
    await gone.stop();
    expect(await failureOf("pull", "-q", `${gone.host}/app`)).toBe(
      `berth: cannot get manifest latest of ${gone.host}/app: ${gone.host} refuses connections: check the name and the ` +
        "port, and that the registry runs",
    );
  });

  test("says which tags there are when one is missing", async () => {
    await putImage(`${berth.host}/bad/tags:1.4.1`, { folder });
    expect(await failureOf("pull", "-q", `${berth.host}/bad/tags:1.4`)).toBe(
      `berth: cannot get manifest 1.4 of ${berth.host}/bad/tags: bad/tags has no tag 1.4: it has 1.4.1 ` +
        "(404 MANIFEST_UNKNOWN)",
    );
  });

  test("says when to try again when there is a rate limit", async () => {
    const limit = { errors: [{ code: "TOOMANYREQUESTS", message: "You have reached your pull rate limit" }] };
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json(limit, { status: 429, headers: { "retry-after": "3600" } }),
    });
    const host = `127.0.0.1:${server.port}`;
    try {
      expect(await failureOf("pull", "-q", `${host}/app`)).toBe(
        `berth: cannot get manifest latest of ${host}/app: You have reached your pull rate limit (429 TOOMANYREQUESTS): ` +
          "it allows no more requests for now, try again in 3600 s, or log in if its limit is higher then",
      );
    } finally {
      await server.stop();
    }
  });

  test("says that a web server is no registry", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("<html>", { headers: { "content-type": "text/html; charset=utf-8" } }),
    });
    const host = `127.0.0.1:${server.port}`;
    try {
      for (const args of [
        ["pull", "-q", `${host}/app`],
        ["digest", `${host}/app`],
        ["repo", "ls", host],
      ]) {
        expect(await failureOf(...args)).toContain(
          `${host} answered 200 with a web page: is a registry there?`,
        );
      }
    } finally {
      await server.stop();
    }
  });

  test.skipIf(!isAvailable("docker-registry"))(
    "says that a login is wanted, or that it was refused",
    async () => {
      const registry = await startDockerRegistry({ users: { alice: "secret" } });
      try {
        expect(await failureOf("pull", "-q", `${registry.host}/app`)).toEndWith(
          `${registry.host} wants to know who asks: log in`,
        );
        const wrong = Buffer.from("alice:wrong password").toString("base64");
        await Bun.write(
          join(user.home, ".docker", "config.json"),
          JSON.stringify({ auths: { [registry.host]: { auth: wrong } } }),
        );
        const message = await failureOf("pull", "-q", `${registry.host}/app`);
        expect(message).toEndWith(`${registry.host} refused the credentials that it was given: log in again`);
        expect(message).not.toContain("wrong password");
      } finally {
        await registry.stop();
      }
    },
  );
});

describe.skipIf(!isAvailable("openssl", "docker-registry"))("one message about TLS", () => {
  let secure: RunningRegistry;
  const file = (name: string) => join(folder, name);

  beforeAll(async () => {
    for (const name of ["server", "stranger"]) {
      const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
      const files = ["-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)];
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
      await succeed(programPath("openssl"), ["req", "-x509", ...key, "-days", "2", ...subject, ...files]);
    }
    secure = await startDockerRegistry({ tls: { certificate: file("server.pem"), key: file("server.key") } });
  });
  afterAll(() => secure?.stop());

  test("pull works when the authority is given", async () => {
    const { exitCode, stderr } = await user.run("repo", "ls", "--ca-file", file("server.pem"), secure.host);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  test("says that nobody knows the certificate, and which flag helps", async () => {
    const message = await failureOf("pull", "-q", "--ca-file", file("stranger.pem"), `${secure.host}/app`);
    expect(message).toContain(`the certificate of ${secure.host} is not trusted`);
    expect(message).toEndWith("(--ca-file FILE)");
  });

  test("speaks plain HTTP with the registry that --plain-http names, and HTTPS with others", async () => {
    const authority = ["--ca-file", file("server.pem")];
    const named = await user.run("repo", "ls", ...authority, `--plain-http=${berth.host}`, berth.host);
    expect({ exitCode: named.exitCode, stderr: named.stderr }).toEqual({ exitCode: 0, stderr: "" });
    const other = await user.run("repo", "ls", ...authority, `--plain-http=${berth.host}`, secure.host);
    expect({ exitCode: other.exitCode, stderr: other.stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect((await user.run("repo", "ls", ...authority, "--plain-http", berth.host)).exitCode).toBe(0);
  });

  test("says that it speaks no HTTPS, and which flag helps", async () => {
    const message = await failureOf("pull", "-q", "--ca-file", file("server.pem"), `${berth.host}/app`);
    expect(message).toContain(`${berth.host} does not speak HTTPS`);
    expect(message).toEndWith("allow that for it (--plain-http)");
  });

  test("says that HTTPS is wanted where plain HTTP was spoken", async () => {
    const message = await failureOf("pull", "-q", `${secure.host}/app`);
    expect(message).toContain("it wants HTTPS, and plain HTTP was sent: use HTTPS (--ca-file FILE");
  });

  test("says what is wrong with a file of certificates, and which flag names it", async () => {
    await Bun.write(file("empty.pem"), "");
    for (const [name, fault] of [
      ["empty.pem", "has no certificate: expected PEM, with -----BEGIN CERTIFICATE-----"],
      ["missing.pem", "there is no such file"],
      [".", "it is a folder, a file was expected"],
    ] as const) {
      const message = await failureOf("pull", "-q", "--ca-file", file(name), `${secure.host}/app`);
      expect(message).toContain(file(name));
      expect(message).toEndWith(`${fault} (--ca-file)`);
    }
  });

  test("keeps to the scheme that is typed before a registry", async () => {
    const run = (...args: readonly string[]) => user.run(...args);
    const authority = ["--ca-file", file("server.pem")];
    expect((await run("repo", "ls", ...authority, `https://${secure.host}/`)).exitCode).toBe(0);
    expect((await run("repo", "ls", ...authority, `http://${berth.host}`)).exitCode).toBe(0);
    for (const command of [["repo", "ls"], ["whoami"], ["audit"], ["tags", "rules"]]) {
      const plain = await run(...command, `https://${berth.host}`);
      expect([command, plain.exitCode, plain.stderr]).toEqual([
        command,
        1,
        expect.stringContaining(`${berth.host} does not speak HTTPS`),
      ]);
      const far = await run(...command, "http://registry.example.com");
      expect([command, far.exitCode, far.stderr]).toEqual([
        command,
        2,
        expect.stringContaining('leave out "http://" for HTTPS, or add --plain-http'),
      ]);
    }
    const both = await run("repo", "ls", "--plain-http", `https://${secure.host}`);
    expect(both.exitCode).toBe(2);
    expect(both.stderr).toContain("contradict each other");
  });
});

describe("what was interrupted", () => {
  const layers = [100, 400_000, 700_000];

  test("pull leaves no image and goes on where it stopped when Ctrl-C is typed", async () => {
    const digest = await putImage(`${berth.host}/bad/interrupted:1`, { folder, layers });
    const gate = startGate(berth.host);
    const { home, images, run } = await newUser(folder);
    const reference = `${gate.host}/bad/interrupted:1`;
    const terminal = startInTerminal(process.execPath, [berthProgram, "pull", reference], {
      env: { HOME: home },
    });
    try {
      gate.letPass(500_000);
      await terminal.waitForText(/Downloading \[=+> +\] 500kB\/700kB/);
      terminal.write("\u0003");
      expect(await terminal.exited).toBe(130);
      expect(terminal.output()).toEndWith(
        "\u001b[31mberth:\u001b[0m interrupted: the same command goes on where it stopped\r\n",
      );
      expect(await images.entries()).toEqual([]);
      const before = gate.ranges.length;
      gate.letPass(Number.POSITIVE_INFINITY);
      const again = await run("pull", reference);
      expect(again.exitCode).toBe(0);
      expect(again.stdout.match(/: Already exists$/gm)).toHaveLength(2);
      expect(gate.ranges.slice(before)).toEqual([expect.stringMatching(/^bytes=[1-9]\d{4,5}-/)]);
      expect(await images.entries()).toMatchObject([{ tag: "1", descriptor: { digest } }]);
    } finally {
      await terminal.close();
      await gate.stop();
    }
  });

  test("push leaves no tag, and goes on with what is missing when Ctrl-C is typed", async () => {
    const source = `${berth.host}/bad/source:1`;
    const digest = await putImage(source, { folder, layers });
    const { home, images, run } = await newUser(folder);
    await run("pull", source);
    const other = await startBerth();
    const gate = startGate(other.host);
    const reference = `${gate.host}/bad/pushed:1`;
    await nameOnlyImage(images, reference);
    const terminal = startInTerminal(process.execPath, [berthProgram, "push", reference], {
      env: { HOME: home },
    });
    try {
      gate.letPass(500_000);
      await terminal.waitForText(/: Pushed.*: Pushed/s);
      terminal.write("\u0003");
      expect(await terminal.exited).toBe(130);
      expect((await run("digest", reference)).exitCode).toBe(1);
      gate.letPass(Number.POSITIVE_INFINITY);
      const again = await run("push", reference);
      expect(again.stdout.match(/: Layer already exists$/gm)).toHaveLength(2);
      expect(again.stdout.match(/: Pushed$/gm)).toHaveLength(1);
      expect((await run("digest", reference)).stdout).toBe(`${digest}\n`);
    } finally {
      await terminal.close();
      await gate.stop();
      await other.stop();
    }
  });

  test.skipIf(!mayMount)(
    "pull leaves no image when the disk is full, and goes on when there is room (needs root that may mount)",
    async () => {
      const reference = `${berth.host}/bad/full:1`;
      const digest = await putImage(reference, { folder, layers });
      const { home, images, run } = await newUser(folder);
      const disk = join(home, ".local", "share", "berth");
      await mkdir(disk, { recursive: true });
      await succeed("mount", ["-t", "tmpfs", "-o", "size=800k", "tmpfs", disk]);
      try {
        const full = await run("pull", "-q", reference);
        expect(full).toMatchObject({ exitCode: 1, stdout: "" });
        expect(full.stderr).toMatch(/^berth: .*(is full|no space).*\n$/);
        expect(await images.entries()).toEqual([]);
        await succeed("mount", ["-o", "remount,size=8m", disk]);
        const again = await run("pull", reference);
        expect(again.exitCode).toBe(0);
        expect(await images.entries()).toMatchObject([{ tag: "1", descriptor: { digest } }]);
        expect((await readdir(images.folder)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
      } finally {
        await succeed("umount", [disk]);
      }
    },
  );

  test("copy into an archive leaves none, and goes on where it stopped", async () => {
    await putImage(`${berth.host}/bad/archive:1`, { folder, layers });
    const gate = startGate(berth.host);
    const { home, run } = await newUser(folder);
    const args = ["copy", `${gate.host}/bad/archive:1`, "oci-archive:image.tar"];
    const terminal = startInTerminal(process.execPath, [berthProgram, ...args], {
      cwd: home,
      env: { HOME: home },
    });
    try {
      gate.letPass(500_000);
      await terminal.waitForText(/Copying \[=+> +\] 500kB\/700kB/);
      terminal.write("\u0003");
      expect(await terminal.exited).toBe(130);
      expect(await filesIn(home)).toEqual([".image.tar.partial"]);
      gate.letPass(Number.POSITIVE_INFINITY);
      expect((await run(...args)).stdout.match(/: Already exists$/gm)).toHaveLength(2);
      expect(await filesIn(home)).toEqual(["image.tar"]);
    } finally {
      await terminal.close();
      await gate.stop();
    }
  });
});

test("a command says that its output could not be written", async () => {
  const result = await attempt("bash", ["-c", `'${process.execPath}' '${berthProgram}' --help > /dev/full`]);
  expect(result).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "berth: cannot write the output: the disk is full: make room and run the same command again\n",
  });
});

test("a command goes through the proxy of the environment", async () => {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ repositories: ["behind/proxy"] }));
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port } = proxy.address() as AddressInfo; // it listens on a port
  try {
    const env = { HOME: user.home, HTTP_PROXY: `http://127.0.0.1:${port}` };
    const { stdout } = await user.runWith({ env }, "repo", "ls", "--plain-http", "registry.example.com");
    expect(stdout).toBe("behind/proxy\n");
    expect(asked.at(-1)).toStartWith("GET http://registry.example.com/v2/_catalog");
  } finally {
    proxy.close();
  }
});

/** Beside what the runtime leaves there. */
const filesIn = async (path: string) => (await readdir(path)).filter((name) => name !== ".bun");

test("a command ends quietly when nobody reads its output any more", async () => {
  const tags = Array.from({ length: 50_000 }, (_, at) => `tag-${at}`);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ name: "many", tags }),
  });
  try {
    const command = `'${process.execPath}' '${berthProgram}' tags ls 127.0.0.1:${server.port}/many | head -n 1`;
    const result = await attempt("bash", ["-c", command]);
    expect(result).toEqual({ exitCode: 0, stdout: "tag-0\n", stderr: "" });
  } finally {
    await server.stop();
  }
});
