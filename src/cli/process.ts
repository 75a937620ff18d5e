import { Writable } from "node:stream";
import type { Surroundings } from "./command.ts";
import { Interruption } from "./failures.ts";
import type { Input, Output, ReadLineOptions } from "./terminal.ts";

/** The surroundings that this process has. From now on, signals and a closed output abort `signal`. */
export function processSurroundings(): Surroundings {
  const stop = new AbortController();
  // A second signal finds no handler and ends the process at once.
  process.once("SIGINT", () => stop.abort(new Interruption("interrupted", 130)));
  process.once("SIGTERM", () => stop.abort(new Interruption("told to end", 143)));
  return {
    stdin: standardInput(),
    stdout: outputOf(process.stdout, stop),
    stderr: outputOf(process.stderr, stop),
    signal: stop.signal,
    env: process.env,
    cwd: process.cwd(),
  };
}

function outputOf(stream: NodeJS.WriteStream, stop: AbortController): Output {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // Who reads has gone, as `head` does: nothing to tell anybody, and nothing more to do.
    const isClosed = error.code === "EPIPE";
    stop.abort(isClosed ? new Interruption("", 141) : error);
  });
  return {
    write: (text) => void stream.write(text),
    writeBytes: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;
    },
    get rows() {
      return stream.isTTY ? stream.rows || 24 : Number.POSITIVE_INFINITY;
    },
    onResize(listener) {
      stream.on("resize", listener);
      return () => void stream.off("resize", listener);
    },
  };
}

/** Not touched before it is read: a process that looks at its standard input waits for it. */
function standardInput(): Input {
  return {
    get isTerminal() {
      return process.stdin.isTTY === true;
    },
    readLine,
    stream: () => Bun.stdin.stream(),
  };
}

async function readLine({ echo, signal }: ReadLineOptions): Promise<string | undefined> {
  const { createInterface } = await import("node:readline");
  signal.throwIfAborted();
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    input: process.stdin,
    output: echo ? process.stderr : silent,
    terminal: true,
    historySize: 0,
  });
  const close = (): void => lines.close();
  signal.addEventListener("abort", close, { once: true });
  // The terminal is in raw mode now and sends no signal itself.
  lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const line = await new Promise<string | undefined>((resolve) => {
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
  });
  signal.removeEventListener("abort", close);
  lines.close();
  signal.throwIfAborted();
  return line;
}
