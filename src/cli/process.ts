import type { Surroundings } from "./command.ts";
import { type Typed, type TypedText, typeKeys } from "./completion/typed-lines.ts";
import { describeFailure, Interruption } from "./failures.ts";
import { printError } from "./output/messages.ts";
import type { Input, Output, ReadLineOptions } from "./terminal.ts";

/** Runs a command in the surroundings that this process has: signals and an output that takes no more abort it. */
export async function runInProcess(run: (surroundings: Surroundings) => Promise<number>): Promise<number> {
  const stop = new AbortController();
  const surroundings = surroundingsOf(stop);
  const exitCode = await run(surroundings);
  await Promise.all([process.stdout, process.stderr].map(flush));
  if (exitCode !== 0 || !stop.signal.aborted) return exitCode;
  // What it did is done, but not all of it was told.
  const { reason } = stop.signal;
  if (!(reason instanceof OutputError)) return exitCode;
  const failure = describeFailure(reason.cause, new AbortController().signal);
  printError(surroundings, `cannot write the output: ${failure.message}`);
  return failure.exitCode;
}

/** The output takes no more. */
class OutputError extends Error {
  override readonly name = "OutputError";
}

function surroundingsOf(stop: AbortController): Surroundings {
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
  const fail = (error: NodeJS.ErrnoException): void => {
    // Who reads has gone, as `head` does: nothing to tell anybody, and nothing more to do.
    const isClosed = error.code === "EPIPE";
    stop.abort(isClosed ? new Interruption("", 141) : new OutputError(error.message, { cause: error }));
  };
  stream.on("error", fail);
  return {
    write: (text) => void stream.write(text, (error) => error && fail(error)),
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

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
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

/** Typed ahead, for the next line. */
let typedAhead = "";

async function readLine({ prompt, echo, signal }: ReadLineOptions): Promise<string | undefined> {
  signal.throwIfAborted();
  const { stdin, stderr } = process;
  stdin.setRawMode(true); // before it is asked, so that nothing is shown that is typed at once
  stderr.write(prompt);
  try {
    const typed = await readKeys(stdin, echo ? stderr : undefined, signal);
    if (typed.kind === "line") typedAhead = typed.rest;
    if (typed.kind === "interrupt") await interruptSelf(signal);
    signal.throwIfAborted();
    return typed.kind === "line" ? typed.line : undefined;
  } finally {
    stdin.setRawMode(false);
    stderr.write("\n");
  }
}

/** In raw mode a terminal sends no signal for Ctrl-C. */
function interruptSelf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    process.kill(process.pid, "SIGINT");
  });
}

function readKeys(
  stdin: NodeJS.ReadStream,
  screen: NodeJS.WriteStream | undefined,
  signal: AbortSignal,
): Promise<Typed> {
  return new Promise((resolve) => {
    let typed: TypedText = { text: "", rest: typedAhead };
    const decoder = new TextDecoder();
    const end = (result: Typed): void => {
      stdin.off("data", onData).off("end", onEnd).pause();
      signal.removeEventListener("abort", onEnd);
      resolve(result);
    };
    const onEnd = (): void => end({ kind: "end" });
    const onData = (bytes: Uint8Array): void => {
      const before = typed.text;
      const result = typeKeys({ text: before, rest: typed.rest + decoder.decode(bytes, { stream: true }) });
      const after =
        result.kind === "more" ? result.typed.text : result.kind === "line" ? result.line : before;
      screen?.write(redraw(before, after));
      if (result.kind === "more") typed = result.typed;
      else end(result);
    };
    signal.addEventListener("abort", onEnd, { once: true });
    stdin.on("data", onData).on("end", onEnd).resume();
    if (typedAhead !== "") onData(new Uint8Array());
  });
}

/** What changes a line that is shown into another. */
function redraw(before: string, after: string): string {
  if (after.startsWith(before)) return after.slice(before.length);
  const width = Bun.stringWidth(before);
  return width > 0 ? `\u001b[${width}D\u001b[K${after}` : after;
}
