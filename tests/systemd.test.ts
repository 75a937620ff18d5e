import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { mayMount } from "./fixtures/disks.ts";
import { buildExecutable } from "./fixtures/executables.ts";
import { freePort, makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { missingOf, pushImage } from "./fixtures/pushes.ts";
import { type RunningSystemd, startSystemd } from "./fixtures/systemd.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

const unit = join(import.meta.dir, "..", "deploy", "systemd", "berth.service");
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("deploy/systemd/berth.service", () => {
  const analyze = (...args: readonly string[]) =>
    succeed(programPath("systemd-analyze"), ["--no-pager", ...args]);

  test.skipIf(!isAvailable("systemd-analyze"))("systemd understands all of it", async () => {
    const checked = join(folder, "berth.service");
    await writeFile(
      checked,
      (await readFile(unit, "utf8")).replaceAll("/usr/local/bin/berth", process.execPath),
    );
    expect(await analyze("verify", checked)).toBe("");
  });

  test.skipIf(!isAvailable("systemd-analyze"))(
    "systemd finds little that it could be kept from",
    async () => {
      await analyze("security", "--offline=true", "--threshold=15", unit);
    },
  );
});

describe.skipIf(!isAvailable("systemd-analyze") || !mayMount)(
  "a systemd that runs deploy/systemd/berth.service",
  () => {
    const place = `127.0.0.1:${freePort()}`;
    const url = `http://${place}`;
    let systemd: RunningSystemd;

    beforeAll(async () => {
      const program = await buildExecutable(`${process.platform}-${process.arch}`, folder);
      systemd = await startSystemd({
        "/usr/local/bin/berth": { file: program },
        "/etc/systemd/system/berth.service": await readFile(unit, "utf8"),
        "/etc/berth/environment": `BERTH_LISTEN=${place}\nBERTH_ACCESS_OPEN=push\nBERTH_WORKERS=2\n`,
      });
    });
    afterAll(() => systemd?.stop());

    const shown = (name: string) => systemd.run("systemctl", "show", "-P", name, "berth");
    async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
      const deadline = Date.now() + 15_000;
      while (!(await isSo())) {
        if (Date.now() > deadline)
          throw new Error(`no ${what} in 15 s:\n${await systemd.run("journalctl", "--unit", "berth")}`);
        await Bun.sleep(20);
      }
    }
    const untilReady = () =>
      until("answer", () =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );

    test("it serves as a user who may nothing, and comes back after a kill with all its data", async () => {
      await systemd.run("systemctl", "enable", "--now", "berth");
      await untilReady();
      const image = await pushImage(url, "service/app", "1", [1000, 300_000]);
      const killed = await systemd.mainProcessOf("berth");
      const status = await readFile(`/proc/${killed}/status`, "utf8");
      for (const line of [/^CapBnd:\t0+$/m, /^NoNewPrivs:\t1$/m, /^Seccomp:\t2$/m, /^Uid:\t6\d{4}\t/m])
        expect(status).toMatch(line);
      const mounts = await readFile(`/proc/${killed}/mountinfo`, "utf8");
      expect(mounts).toMatch(/ \/ \/ ro,/);
      expect(mounts).toMatch(/ \/var\/lib\/private\/berth rw,/);

      process.kill(killed, "SIGKILL");
      await until("new start", async () => (await shown("NRestarts")) === "1");
      await untilReady();
      expect(await missingOf(url, image)).toEqual([]);
    });

    test("systemctl stop lets a transfer end, and says that all went well", async () => {
      const begun = await fetch(`${url}/v2/service/app/blobs/uploads/`, { method: "POST" });
      const session = `${url}${begun.headers.get("location")}`;
      const rest = Promise.withResolvers<void>();
      let pulls = 0;
      const body = new ReadableStream({
        async pull(controller) {
          if (pulls++ > 0) {
            await rest.promise;
            controller.close();
          }
          controller.enqueue(new Uint8Array(2 * 1024 * 1024));
        },
      });
      const sending = fetch(session, { method: "PATCH", body });
      const arrived = async () => Number((await fetch(session)).headers.get("upload-offset"));
      await until("bytes", async () => (await arrived()) > 0);
      const stopping = systemd.run("systemctl", "stop", "berth");
      await until("stop", async () => (await shown("ActiveState")) === "deactivating");
      rest.resolve();
      expect((await sending).status).toBe(202);
      await stopping;
      expect([await shown("Result"), await shown("ExecMainStatus")]).toEqual(["success", "0"]);
    });

    test("certificates that root makes are taken, and those that follow without a restart", async () => {
      const setUp = (name: string) =>
        systemd.run("berth", "setup", "server", name, "--data", "/var/lib/berth");
      await setUp("registry.local");
      await systemd.run("systemctl", "start", "berth");
      await until("certificate", async () => (await namesShown()).includes("DNS:registry.local"));
      await setUp("registry.lan");
      await until("new certificate", async () => (await namesShown()).includes("DNS:registry.lan"));
      expect(await shown("NRestarts")).toBe("0");
      await systemd.run("systemctl", "stop", "berth");
    });

    test("wrong settings are not tried again and again", async () => {
      await systemd.run("sh", "-c", "echo BERTH_WORKERS=many >> /etc/berth/environment");
      await systemd.attempt("systemctl", "start", "berth");
      await until("end", async () => (await shown("ActiveState")) === "failed");
      expect([await shown("ExecMainStatus"), await shown("NRestarts")]).toEqual(["2", "0"]);
    });

    /** The names of the certificate that is served, none before anything is. */
    async function namesShown(): Promise<string> {
      const [hostname = "", port = ""] = place.split(":");
      const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }); // only looked at
      try {
        await once(socket, "secureConnect");
        return socket.getPeerCertificate().subjectaltname ?? "";
      } catch {
        return ""; // not yet
      } finally {
        socket.destroy();
      }
    }
  },
);
