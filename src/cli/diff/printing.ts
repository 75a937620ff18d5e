import { printable } from "../../oci/errors.ts";
import type { Colours } from "../output/colours.ts";
import { formatSize } from "../output/units.ts";
import type { Change, ConfigChanges, FileChange, Layer, LayerChanges } from "./changes.ts";
import type { Side } from "./sides.ts";

/** All that differs between two images. */
export interface ImageDiff extends ConfigChanges {
  readonly from: Side;
  readonly to: Side;
  readonly layers: LayerChanges;
  /** Absent when the files were not compared. */
  readonly files?: readonly FileChange[];
}

/** A difference for people: `-` and red is of the first image alone, `+` and green of the second. */
export function formatDiff(diff: ImageDiff, colours: Colours): string {
  const marks = { "-": colours.red, "+": colours.green, "~": colours.yellow } as const;
  const line = (mark: keyof typeof marks, text: string) => `  ${marks[mark](`${mark} ${printable(text)}`)}\n`;
  const changes = (title: string, list: readonly Change[]): string =>
    list.length === 0 ? "" : `${title}:\n${list.map((change) => line(...describeChange(change))).join("")}`;
  const { from, to, config, environment, labels, layers, files } = diff;
  return [
    line("-", describeSide(from)),
    line("+", describeSide(to)),
    changes("Config", config),
    changes("Environment", environment),
    changes("Labels", labels),
    `Layers: ${describeLayers(layers)}\n`,
    ...layers.removed.map((layer) => line("-", describeLayer(layer))),
    ...layers.added.map((layer) => line("+", describeLayer(layer))),
    files ? `Files: ${describeFiles(files)}\n` : "",
    ...(files ?? []).map((change) => line(...describeFile(change))),
  ].join("");
}

function describeSide({ name, descriptor, layers }: Side): string {
  return `${name} ${descriptor.digest} ${formatSize(sizeOf(layers))}`;
}

function sizeOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
}

function describeChange({ name, from, to }: Change): ["-" | "+" | "~", string] {
  if (from === undefined) return ["+", `${name}=${shown(to)}`];
  if (to === undefined) return ["-", `${name}=${shown(from)}`];
  return ["~", `${name}: ${shown(from)} -> ${shown(to)}`];
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function describeLayers({ shared, removed, added }: LayerChanges): string {
  return [`${shared.length} shared (${formatSize(sizeOf(shared))})`]
    .concat(`${removed.length} removed (${formatSize(sizeOf(removed))})`)
    .concat(`${added.length} added (${formatSize(sizeOf(added))})`)
    .join(", ");
}

function describeLayer({ descriptor }: Layer): string {
  return `${descriptor.digest} ${formatSize(descriptor.size)}`;
}

function describeFiles(files: readonly FileChange[]): string {
  const sizes = { added: 0, removed: 0 };
  const counts = { added: 0, removed: 0, changed: 0 };
  let grown = 0;
  for (const file of files) {
    counts[file.kind]++;
    if (file.kind === "changed") grown += file.to - file.from;
    else sizes[file.kind] += file.size;
  }
  const sign = grown < 0 ? "-" : "+";
  return (
    `${counts.added} added (${formatSize(sizes.added)}), ${counts.removed} removed (${formatSize(sizes.removed)}), ` +
    `${counts.changed} changed (${sign}${formatSize(Math.abs(grown))})`
  );
}

function describeFile(file: FileChange): ["-" | "+" | "~", string] {
  if (file.kind !== "changed")
    return [file.kind === "added" ? "+" : "-", `/${file.path} ${formatSize(file.size)}`];
  const { path, from, to, what } = file;
  const others = what.filter((difference) => difference !== "content");
  const also = others.length > 0 ? ` (${others.join(", ")})` : "";
  return [
    "~",
    `/${path} ${from === to ? formatSize(to) : `${formatSize(from)} -> ${formatSize(to)}`}${also}`,
  ];
}

/** A difference for programs. */
export function plainDiff({ from, to, config, environment, labels, layers, files }: ImageDiff): unknown {
  const side = ({ name, descriptor, layers: all }: Side) => ({
    name,
    digest: descriptor.digest,
    size: sizeOf(all),
  });
  const list = (all: readonly Layer[]) =>
    all.map(({ descriptor: { digest, size }, diffId }) => ({ digest, diffId, size }));
  const { shared, removed, added } = layers;
  return {
    from: side(from),
    to: side(to),
    config,
    environment,
    labels,
    layers: { shared: list(shared), removed: list(removed), added: list(added) },
    files,
  };
}
