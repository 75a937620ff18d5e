import type { RegistryName } from "../../oci/references.ts";
import type { Machine } from "./machine.ts";

/** One file that is to become another, or to be made. Contents are Latin-1, as {@link Machine} reads them. */
export interface FileChange {
  readonly path: string;
  /** `undefined` when there is no such file. */
  readonly before: string | undefined;
  readonly after: string;
  /** What it is good for, in a few words. */
  readonly why: string;
}

/** A program that has to run after the files were changed. */
export interface PlannedCommand {
  readonly argv: readonly string[];
  /** What has to run after they were changed back. */
  readonly undo: readonly string[];
  readonly why: string;
}

/** What is to be done, as data: shown by `--dry-run`, carried out by `applyPlan`. */
export interface Plan {
  readonly files: readonly FileChange[];
  readonly commands: readonly PlannedCommand[];
  /** What is left to a person, such as a program to start again. */
  readonly advice: readonly string[];
}

/** A part of a plan. */
export type PartOfPlan = Partial<Plan>;

/** The registry that a client is set up for. */
export interface Target {
  /** As it stands in references, `registry.local:5000`. */
  readonly registry: RegistryName;
  /** The host name or address, without brackets and port. */
  readonly host: string;
}

/** A registry's name in the name of a file. */
export function fileNameOf(registry: RegistryName): string {
  return registry.replace(/[^a-zA-Z0-9.-]/g, "_");
}

/** Puts parts of a plan together. */
export function joinParts(parts: readonly PartOfPlan[]): Plan {
  return {
    files: parts.flatMap(({ files = [] }) => files),
    commands: parts.flatMap(({ commands = [] }) => commands),
    advice: parts.flatMap(({ advice = [] }) => advice),
  };
}

/** The change that makes a file say `after`; none when it does. */
export function changeFile(
  machine: Machine,
  path: string,
  after: string,
  why: string,
): readonly FileChange[] {
  const before = machine.read(path);
  return before === after ? [] : [{ path, before, after, why }];
}
