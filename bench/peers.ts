import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BackgroundProcess, freePort, startProcess, succeed } from "../tests/fixtures/processes.ts";
import { programPath } from "../tests/programs.ts";

/** A server that is measured. */
export interface Peer {
  readonly name: string;
  /** `http://127.0.0.1:43211`. */
  readonly url: string;
  readonly process: BackgroundProcess;
  /** Milliseconds from its start to its first answer. */
  readonly startedInMs: number;
}

let program = "";

/** Builds the program that users run, into a folder, for {@link startBerth}. */
export async function buildBerth(folder: string): Promise<void> {
  await succeed("node", [join(import.meta.dir, "..", "bin", "build.mjs"), folder]);
  program = join(folder, "program", "main.js");
}

/** What runs Berth's command line, as built by {@link buildBerth}. */
export function berthProgram(): readonly string[] {
  return [process.execPath, program];
}

/** Starts Berth over a data folder. */
export function startBerth(data: string, args: readonly string[] = []): Promise<Peer> {
  return start("berth", (port) =>
    startProcess(process.execPath, [
      program,
      "serve",
      "--listen",
      `127.0.0.1:${port}`,
      "--data",
      data,
      "--log-level",
      "error",
      ...args,
    ]),
  );
}

/** Starts Debian's docker-registry over a data folder, without its access log. */
export async function startDockerRegistry(data: string): Promise<Peer> {
  await mkdir(data, { recursive: true });
  return start("docker-registry", async (port) => {
    const settings = {
      version: "0.1",
      log: { accesslog: { disabled: true }, level: "error" },
      storage: { filesystem: { rootdirectory: join(data, "store") }, delete: { enabled: true } },
      http: { addr: `127.0.0.1:${port}` },
    };
    await writeFile(join(data, "config.yml"), JSON.stringify(settings)); // JSON is YAML
    return startProcess(programPath("docker-registry"), ["serve", join(data, "config.yml")]);
  });
}

/** Starts nginx with sendfile over a folder of files, one worker. */
export async function startNginx(folder: string): Promise<Peer> {
  return start("nginx", async (port) => {
    const settings = `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr error; user root;
      events { worker_connections 256; }
      http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000;
        client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
        uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
        server { listen 127.0.0.1:${port}; root ${folder}; } }`;
    await writeFile(join(folder, "nginx.conf"), settings);
    return startProcess(programPath("nginx"), ["-c", join(folder, "nginx.conf")]);
  });
}

async function start(
  name: string,
  run: (port: number) => BackgroundProcess | Promise<BackgroundProcess>,
): Promise<Peer> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const began = performance.now();
  const process = await run(port);
  let ended = false;
  process.exited.then(() => {
    ended = true;
  });
  for (;;) {
    if (ended) throw new Error(`${name} ended before it answered:\n${process.output()}`);
    const answered = await fetch(`${url}/v2/`).then(
      () => true,
      () => false,
    );
    if (answered) return { name, url, process, startedInMs: performance.now() - began };
    await Bun.sleep(1);
  }
}

/** Seconds of processor time that a process and its children have used. */
export async function cpuSeconds({ process }: Peer): Promise<number> {
  let ticks = 0;
  for (const pid of await family(process.pid)) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

/** MiB of memory that a process and its children hold. */
export const memory = ({ process }: Peer): Promise<number> => mebibytes(process.pid, /VmRSS:\s+(\d+)/);

/** MiB of memory that they held at most, each for itself, since they started. */
export const peakMemory = ({ process }: Peer): Promise<number> => peakMemoryOf(process.pid);

export const peakMemoryOf = (pid: number): Promise<number> => mebibytes(pid, /VmHWM:\s+(\d+)/);

async function mebibytes(pid: number, field: RegExp): Promise<number> {
  let kib = 0;
  for (const member of await family(pid)) {
    kib += Number(field.exec(await readFile(`/proc/${member}/status`, "utf8"))?.[1] ?? 0);
  }
  return kib / 1024;
}

async function family(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return [pid, ...children.trim().split(" ").filter(Boolean).map(Number)];
}
