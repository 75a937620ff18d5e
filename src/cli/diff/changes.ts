import type { ImageFile, ImageFiles } from "../../layout/index.ts";
import type { Descriptor } from "../../oci/descriptors.ts";
import type { ImageConfig } from "../images/image-config.ts";

/** What became of one thing; `from` is absent when it is new, `to` when it is gone. */
export interface Change {
  readonly name: string;
  readonly from?: unknown;
  readonly to?: unknown;
}

/** What differs in how an image is run and described. */
export interface ConfigChanges {
  readonly config: readonly Change[];
  readonly environment: readonly Change[];
  readonly labels: readonly Change[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Compares two configs: variables and labels one by one, sets such as ports by their members. */
export function compareConfigs(from: ImageConfig, to: ImageConfig): ConfigChanges {
  return {
    config: compareFields(describedFields(from), describedFields(to)),
    environment: compareFields(variablesOf(from), variablesOf(to)),
    labels: compareFields(from.labels, to.labels),
  };
}

/** The fields of a config that are neither environment nor labels; those of ports, volumes and the like one by one. */
function describedFields({ run, created, author, comment, os, architecture, variant }: ImageConfig): Fields {
  const { Env: _env, Labels: _labels, ...others } = run;
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(others)) {
    if (isEmpty(value)) continue;
    if (isFields(value)) for (const [name, item] of Object.entries(value)) fields[`${key}.${name}`] = item;
    else fields[key] = value;
  }
  const platform = [os, architecture, variant].filter(Boolean).join("/");
  for (const [key, value] of Object.entries({ platform, created, author, comment }))
    if (value) fields[key] = value;
  return fields;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === null || value === undefined || value === "" || value === false;
}

function variablesOf({ run }: ImageConfig): Fields {
  const list: readonly unknown[] = Array.isArray(run.Env) ? run.Env : [];
  const pairs = list
    .filter((item) => typeof item === "string")
    .map((item) => {
      const equals = item.indexOf("=");
      return equals < 0 ? [item, ""] : [item.slice(0, equals), item.slice(equals + 1)];
    });
  return Object.fromEntries(pairs);
}

function compareFields(from: Fields, to: Fields): readonly Change[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  return names.flatMap((name) => {
    const [before, after] = [fieldOf(from, name), fieldOf(to, name)];
    if (JSON.stringify(before) === JSON.stringify(after)) return [];
    return [
      {
        name,
        ...(before === undefined ? {} : { from: before }),
        ...(after === undefined ? {} : { to: after }),
      },
    ];
  });
}

function fieldOf(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** A layer, and what it is when it is unpacked. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

/** Which layers two images have in common, however they are compressed. */
export interface LayerChanges {
  readonly shared: readonly Layer[];
  readonly removed: readonly Layer[];
  readonly added: readonly Layer[];
  /** How many layers are the same from the lowest one on. */
  readonly sharedBase: number;
}

/** Compares layers by what they are unpacked. */
export function compareLayers(from: readonly Layer[], to: readonly Layer[]): LayerChanges {
  const [fromIds, toIds] = [from, to].map((layers) => new Set(layers.map(({ diffId }) => diffId)));
  const differs = from.findIndex(({ diffId }, at) => to[at]?.diffId !== diffId);
  return {
    shared: to.filter(({ diffId }) => fromIds?.has(diffId)),
    removed: from.filter(({ diffId }) => !toIds?.has(diffId)),
    added: to.filter(({ diffId }) => !fromIds?.has(diffId)),
    sharedBase: differs < 0 ? from.length : differs,
  };
}

/** What differs about a path that both images have. */
export type Difference = "content" | "type" | "target" | "mode" | "owner";

/** What became of a path. */
export type FileChange =
  | { readonly kind: "added" | "removed"; readonly path: string; readonly size: number }
  | {
      readonly kind: "changed";
      readonly path: string;
      readonly from: number;
      readonly to: number;
      readonly what: readonly Difference[];
    };

/** Compares files by content, type, mode and owner, in the order of their paths. Times do not count. */
export function compareFiles(from: ImageFiles, to: ImageFiles): readonly FileChange[] {
  const paths = [...new Set([...from.keys(), ...to.keys()])].sort();
  return paths.flatMap((path): FileChange[] => {
    const [before, after] = [from.get(path), to.get(path)];
    if (!before) return after ? [{ kind: "added", path, size: after.size }] : [];
    if (!after) return [{ kind: "removed", path, size: before.size }];
    const what = differencesOf(before, after);
    return what.length > 0 ? [{ kind: "changed", path, from: before.size, to: after.size, what }] : [];
  });
}

function differencesOf(before: ImageFile, after: ImageFile): readonly Difference[] {
  if (before === after) return [];
  const differs: Readonly<Record<Difference, boolean>> = {
    type: before.type !== after.type,
    content: before.content !== after.content,
    target: before.target !== after.target,
    mode: (before.mode & 0o7777) !== (after.mode & 0o7777),
    owner: before.uid !== after.uid || before.gid !== after.gid,
  };
  return (Object.keys(differs) as Difference[]).filter((key) => differs[key]); // safe: the keys of this very object
}
