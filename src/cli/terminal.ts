/** Where a command prints. */
export interface Output {
  write(text: string): void;
  /** For content, such as an archive. Resolves when the bytes are taken, so that they do not pile up. */
  writeBytes(bytes: Uint8Array): Promise<void>;
  readonly isTerminal: boolean;
  /** Characters that fit into a line; of a terminal as it is now, unlimited elsewhere. */
  readonly columns: number;
  /** Lines of the screen, likewise. */
  readonly rows: number;
  /** Calls `listener` whenever a terminal gets another size, until the returned function is called. */
  onResize(listener: () => void): () => void;
}

/** How a line is read from a terminal. */
export interface ReadLineOptions {
  /** What is asked, on standard error. */
  readonly prompt: string;
  /** Whether what is typed is shown. */
  readonly echo: boolean;
  readonly signal: AbortSignal;
}

/** Where a command reads what a person types, or what a pipe brings. */
export interface Input {
  readonly isTerminal: boolean;
  /** Reads one line from a terminal. `undefined` at the end of the input. @throws `signal.reason` */
  readLine(options: ReadLineOptions): Promise<string | undefined>;
  /** The bytes that come, to the end. */
  stream(): ReadableStream<Uint8Array>;
}
