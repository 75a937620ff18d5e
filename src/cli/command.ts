import type { Input, Output } from "./terminal.ts";

/** What can stand in an operand or a flag's value, for the completion of shells. */
export type Completion = "reference" | "image" | "registry" | "file" | "folder" | "platform";

interface FlagBase {
  /** What it does, for the help: in lower case, without a full stop. */
  readonly summary: string;
  /** The one letter behind `-`. */
  readonly short?: string;
}

/** A flag without a value: `--quiet`, also `--quiet=false`. */
export interface SwitchFlag extends FlagBase {
  readonly type: "switch";
}

/** A flag with a text: `--format json`, `--format=json`. */
export interface TextFlag extends FlagBase {
  readonly type: "text";
  /** What the help calls the value, in capitals. */
  readonly value: string;
  /** May be given several times. */
  readonly multiple?: true;
  /** Nothing else may be given. */
  readonly choices?: readonly string[];
  /** The value of the bare flag; then only `=` gives it another. */
  readonly bare?: string;
  /** The value that stands when the flag is not given, for the help alone. */
  readonly otherwise?: string;
  readonly completion?: Completion;
}

/** A flag with a whole number, 0 or more. */
export interface NumberFlag extends FlagBase {
  readonly type: "number";
  readonly value: string;
  readonly otherwise?: string;
}

export type Flag = SwitchFlag | TextFlag | NumberFlag;

/** The flags of a command, by their names without `--`. */
export type Flags = Readonly<Record<string, Flag>>;

/** What stands at one place of a command line that is no flag. */
export interface Operand {
  /** What the help calls it, in capitals. */
  readonly value: string;
  /** May be left out, as may all behind it. */
  readonly optional?: true;
  /** Takes all that is left. Only the last one can. */
  readonly multiple?: true;
  /** Nothing else may be given; not together with the two above. */
  readonly choices?: readonly string[];
  /** The command that shows what can be given, for who left it out. */
  readonly shownBy?: string;
  readonly completion?: Completion;
}

/** The operands of a command, in their order. */
export type Operands = Readonly<Record<string, Operand>>;

type FlagValue<F extends Flag> = F extends SwitchFlag
  ? boolean
  : F extends NumberFlag
    ? number | undefined
    : F extends { readonly multiple: true }
      ? readonly string[]
      : F extends { readonly choices: readonly (infer Choice)[] }
        ? Choice | undefined
        : string | undefined;

type OperandValue<O extends Operand> = O extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : O extends { readonly multiple: true }
    ? readonly string[]
    : O extends { readonly optional: true }
      ? string | undefined
      : string;

/** The parsed flags: a switch is a boolean, a flag that was not given `undefined`, or an empty list. */
export type FlagValues<F extends Flags> = { readonly [Name in keyof F]: FlagValue<F[Name]> };
/** The parsed operands. One with `multiple` has at least one text, unless it is optional. */
export type OperandValues<O extends Operands> = { readonly [Name in keyof O]: OperandValue<O[Name]> };

/** What the world around a command is to it. */
export interface Surroundings {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by Ctrl-C, SIGTERM, or when nobody reads the output any more. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** What a command runs with. */
export interface Context<F extends Flags = Flags, O extends Operands = Operands> extends Surroundings {
  readonly flags: FlagValues<F>;
  readonly operands: OperandValues<O>;
}

/** One command, in a file of its own that is loaded when it runs. Its words and summary stand in the table. */
export interface Command<F extends Flags = Flags, O extends Operands = Operands> {
  readonly flags: F;
  readonly operands: O;
  /** Sentences for the help. */
  readonly description?: string;
  /** Whole command lines for the help, with what each does. */
  readonly examples?: readonly { readonly line: string; readonly does: string }[];
  /** What to do after it was interrupted: stands behind "interrupted: ". */
  readonly afterInterruption?: string;
  /**
   * Does the work. Resolves to the exit code: 0 done, 1 failed (after it said why on `stderr`).
   * @throws UsageError for exit code 2; anything else is one message and exit code 1
   */
  run(context: Context<F, O>): Promise<number>;
}

/** Checks a command's types. Its `run` gets values of just the flags and operands that it declares. */
export function defineCommand<const F extends Flags, const O extends Operands>(
  command: Command<F, O>,
): Command {
  return command; // the parser gives `run` what `flags` and `operands` of this very object ask for
}

/** The command line is wrong. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Runs a parser of something that was typed: what it throws is a wrong command line. */
export function parseTyped<T, Typed = string>(parse: (typed: Typed) => T, typed: Typed): T {
  try {
    return parse(typed);
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
