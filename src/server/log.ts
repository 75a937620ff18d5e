import pino from "pino";

/** Where the server says what it does. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Whether reads that went well are logged, not only changes and failures. */
  readonly readsToo: boolean;
}

/** How much is logged; `debug` adds reads that went well. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** One JSON object a line to standard error; readable lines when it is a terminal. */
export async function createLog(level: LogLevel, terminal = process.stderr.isTTY === true): Promise<Log> {
  // Only a terminal waits for what only a terminal needs.
  const destination = terminal
    ? (await import("pino-pretty")).default({
        destination: 2,
        ignore: "pid,hostname",
        translateTime: "HH:MM:ss",
        singleLine: true,
        sync: true,
      })
    : pino.destination({ fd: 2, sync: false, minLength: 0 });
  const log = pino({ level, base: terminal ? null : { pid: process.pid } }, destination);
  return {
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    readsToo: level === "debug",
  };
}
