import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CertificateFiles, makeCertificate } from "./fixtures/certificates.ts";
import { berthProgram } from "./fixtures/command-lines.ts";
import { attempt, makeTemporaryFolder, startProcess } from "./fixtures/processes.ts";
import { startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs `berth serve`, which has to fail. Resolves to its one message, without the program's name. */
async function faultOf(exitCode: number, ...args: readonly string[]): Promise<string> {
  const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const data = args.includes("--data") ? [] : ["--data", join(folder, "unused")];
  const result = await attempt(process.execPath, [berthProgram, "serve", ...listen, ...data, ...args]);
  expect(result).toMatchObject({ exitCode, stdout: "" });
  expect(result.stderr).toMatch(/^berth: .*[^.]\n$/);
  return result.stderr.slice("berth: ".length, -1);
}

/** Every file below a folder with its content. */
async function contentOf(path: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file, Bun.hash(await readFile(file)).toString()])),
  );
}

describe("where serve cannot listen", () => {
  test.each(["1", "2"])(
    "it names the port, what has it, and what to do, with --workers %s",
    async (workers) => {
      const other = await startBerth();
      try {
        const port = other.host.split(":")[1];
        const data = join(folder, `taken-${workers}`);
        const fault = await faultOf(1, "--listen", other.host, "--workers", workers, "--data", data);
        const name = (await readFile(`/proc/${other.process.pid}/comm`, "utf8")).trim();
        expect(fault).toBe(
          `cannot listen on 127.0.0.1:${port}: the port is taken by ${name} (process ${other.process.pid}): stop that, or choose another port with --listen`,
        );
      } finally {
        await other.stop();
      }
    },
  );

  test("it says that the machine has no such address", async () => {
    expect(await faultOf(1, "--listen", "192.0.2.1:5000", "--open=pull")).toMatch(
      /^cannot listen on 192\.0\.2\.1:5000: this machine has no such address; it has .*127\.0\.0\.1/,
    );
  });
});

describe("a data folder that is not Berth's", () => {
  const refused = async (data: string): Promise<string> => {
    const before = await contentOf(data);
    const fault = await faultOf(1, "--data", data);
    expect(await contentOf(data)).toEqual(before);
    return fault;
  };

  test.skipIf(!isAvailable("docker-registry"))("a CNCF registry's can be imported", async () => {
    const registry = await startDockerRegistry();
    try {
      const upload = await fetch(`${registry.url}/v2/a/blobs/uploads/`, { method: "POST" });
      expect(upload.status).toBe(202);
      expect(await refused(registry.data)).toBe(
        `the data folder ${registry.data} is a CNCF registry's (it has docker/registry): choose an empty or a new one with --data, and take the images over with: berth import ${registry.data}`,
      );
    } finally {
      await registry.stop();
    }
  });

  test.each([
    ["an image layout", ["oci-layout", "index.json"], "is an OCI image layout: choose"],
    [
      "files of anything",
      ["a.txt", "b", "c", "d"],
      'is another program\'s: it has "a.txt", "b", "c" and 1 more and nothing of Berth',
    ],
    [
      "blobs without metadata",
      ["blobs/sha256/x"],
      "is not whole, or another program's: it has blobs, but no metadata.db: choose",
    ],
    [
      "no database",
      ["metadata.db"],
      "metadata.db is damaged, or another program's: put it back from a backup",
    ],
  ])("%s stay as they are", async (what, files, message) => {
    const data = join(folder, what);
    for (const file of files)
      await Bun.write(join(data, file), `this is ${file}, which is long enough to be no database`);
    expect(await refused(data)).toContain(message);
  });

  test("another program's database stays as it is", async () => {
    const data = join(folder, "other database");
    await mkdir(data);
    using db = new Database(join(data, "metadata.db"));
    db.run("CREATE TABLE photos (id INTEGER)");
    expect(await refused(data)).toBe(
      `${join(data, "metadata.db")} is another program's database: choose an empty or a new folder with --data`,
    );
  });

  test("one of a newer version stays as it is", async () => {
    const data = join(folder, "newer");
    await (await startBerth({ data })).stop();
    const db = new Database(join(data, "metadata.db"));
    db.run("PRAGMA user_version = 1000");
    db.close();
    expect(await refused(data)).toMatch(
      /metadata\.db has schema version 1000, this Berth knows up to \d+: start the newer Berth that wrote it, or choose another folder with --data$/,
    );
  });

  test("what file systems and people put beside the data is no hindrance", async () => {
    const data = join(folder, "mounted");
    await mkdir(join(data, "lost+found"), { recursive: true });
    await writeFile(join(data, "berth.yaml"), "");
    await (await startBerth({ data })).stop();
  });
});

describe.skipIf(!isAvailable("openssl"))("a certificate that clients would refuse", () => {
  const day = 86_400_000;
  const flags = ({ certificate, key }: CertificateFiles) => [
    "--tls-certificate",
    certificate,
    "--tls-key",
    key,
  ];
  const fault = (files: CertificateFiles) => faultOf(2, ...flags(files));
  /** What ends with 1 is worth another try, as a service manager makes it. */
  const faultOfNow = (files: CertificateFiles) => faultOf(1, ...flags(files));

  test("is named with what is wrong with it", async () => {
    const names = "DNS:registry.local";
    const now = Date.now();
    const [good, other, old, early] = await Promise.all([
      makeCertificate(folder, "good", { names }),
      makeCertificate(folder, "other", { names }),
      makeCertificate(folder, "old", { names, from: new Date(now - 9 * day), to: new Date(now - day) }),
      makeCertificate(folder, "early", { names, from: new Date(now + day), to: new Date(now + 9 * day) }),
    ]);
    expect(await fault({ ...good, key: other.key })).toBe(
      `tls: the key ${other.key} does not belong to the certificate ${good.certificate}: give the key that the certificate was made with`,
    );
    expect(await faultOfNow(old)).toMatch(
      /^tls\.certificate is ".*old\.pem": it expired on \d{4}-.*Z: renew it, clients refuse it$/,
    );
    expect(await faultOfNow(early)).toMatch(
      /^tls\.certificate is ".*early\.pem": it is valid from \d{4}-.*Z on, and this machine's clock says .*: set the clock, or renew it$/,
    );
    expect(await fault({ certificate: good.key, key: good.certificate })).toContain(
      "are the two files interchanged?",
    );
    expect(await fault({ ...good, certificate: "/no/such.pem" })).toBe(
      'tls.certificate is "/no/such.pem": there is no such file',
    );

    const chain = join(folder, "chain.pem");
    await writeFile(
      chain,
      (await readFile(other.certificate, "utf8")) + (await readFile(good.certificate, "utf8")),
    );
    expect(await fault({ ...good, certificate: chain })).toContain(
      "it belongs to certificate 2 of that file: the server's own has to stand first",
    );

    const encrypted = join(folder, "encrypted.key");
    const password = ["-aes256", "-passout", "pass:secret"];
    await attempt(programPath("openssl"), ["pkey", "-in", good.key, ...password, "-out", encrypted]);
    expect(await fault({ ...good, key: encrypted })).toContain(
      "it is encrypted, Berth asks for no passphrase: openssl pkey",
    );
  });

  test("is served, and clients' refusal foretold, when it is for another name than public-url", async () => {
    const own = await makeCertificate(folder, "own", { names: "DNS:registry.local,IP:127.0.0.1" });
    const settings = join(folder, "public.yaml");
    await writeFile(settings, JSON.stringify({ "public-url": "https://registry.example.com" })); // JSON is YAML
    const berth = await startBerth({ args: [...flags(own), "--config", settings] });
    expect(berth.process.output()).toContain(
      "note    the certificate is for registry.local, 127.0.0.1, not for registry.example.com: clients that ask for that refuse it",
    );
    await berth.stop();
  });

  test("does not take the place of the one that is served", async () => {
    const files = { certificate: join(folder, "live.pem"), key: join(folder, "live.key") };
    const first = await makeCertificate(folder, "first", { names: "IP:127.0.0.1" });
    const expired = { from: new Date(Date.now() - 9 * day), to: new Date(Date.now() - day) };
    const next = await makeCertificate(folder, "next", { names: "IP:127.0.0.1", ...expired });
    await copyFile(first.certificate, files.certificate);
    await copyFile(first.key, files.key);
    const berth = await startBerth({ args: flags(files) });
    await copyFile(next.certificate, files.certificate);
    await copyFile(next.key, files.key);
    await berth.process.waitForOutput(/the new certificate cannot be used, the old one stays/);
    const tls = { ca: await readFile(first.certificate, "utf8") };
    expect((await fetch(`${berth.url}/readyz`, { tls })).status).toBe(200);
    await berth.stop();
  });
});

describe("berth serve, told to stop before it starts", () => {
  test.each([143, 130])(
    "serve does not go on when the command was ended with %d while it was loaded",
    async (code) => {
      const folder = await makeTemporaryFolder();
      const source = join(import.meta.dir, "..", "src", "cli");
      const script = `
      const { serve } = await import("${source}/commands/serve.ts");
      const { Interruption } = await import("${source}/failures.ts");
      const output = { write: () => {} };
      const flags = { listen: "127.0.0.1:0", data: "${folder}/data" };
      const signal = AbortSignal.abort(new Interruption("told to end", ${code}));
      process.exit(await serve.run({ flags, operands: {}, stdout: output, stderr: output, env: {}, signal }));`;
      const started = startProcess(process.execPath, ["--eval", script], { cwd: folder });
      const late = setTimeout(() => void started.stop("SIGKILL"), 10_000);
      expect(await started.exited).toBe(0);
      clearTimeout(late);
      await rm(folder, { recursive: true });
    },
  );
});
