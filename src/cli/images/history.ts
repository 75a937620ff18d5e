import { formatAge, formatSize } from "../output/units.ts";
import type { HistoryStep } from "./image-config.ts";
import type { ImageVariant, LocalImage } from "./local-image.ts";
import { shortId } from "./local-image.ts";

/** One step of how an image was made, with the size of the layer that it made. */
export interface HistoryRow {
  /** The image's ID for the last step; the others' are not known. */
  readonly id: string;
  readonly step: HistoryStep;
  /** Bytes, as the layer is kept; 0 for a step that made none. */
  readonly size: number;
}

/** How docker calls an image that is not there any more. */
const missing = "<missing>";

/** The steps of an image, the last one first. */
export function historyOf({ id, variant }: LocalImage): readonly HistoryRow[] {
  if (!variant) return [];
  const rows = stepsOf(variant).reverse();
  return rows.map((row, at) => ({ ...row, id: at === 0 ? id : missing }));
}

/** An image without a history has one step for each layer. */
function stepsOf({ config, manifest }: ImageVariant): Omit<HistoryRow, "id">[] {
  const unsaid: HistoryStep = { createdBy: "", comment: "", isEmpty: false };
  const steps = config.history.length > 0 ? config.history : manifest.layers.map(() => unsaid);
  const layers = manifest.layers[Symbol.iterator]();
  return steps.map((step) => ({ step, size: step.isEmpty ? 0 : (layers.next().value?.size ?? 0) }));
}

/** How a row's fields are written. */
export interface HistoryOptions {
  /** Whether IDs and commands are cut. */
  readonly truncates: boolean;
  /** Whether times and sizes are for people. */
  readonly human: boolean;
  readonly nowMs: number;
}

const commandWidth = 45;

/** The fields of a row, under docker's names for `--format`. */
export function historyFields(
  { id, step, size }: HistoryRow,
  { truncates, human, nowMs }: HistoryOptions,
): Readonly<Record<string, string>> {
  const created = step.created === undefined ? undefined : new Date(step.created);
  const createdAt = created ? `${created.toISOString().slice(0, 19)}Z` : "N/A";
  const command = step.createdBy.replaceAll("\t", " ");
  return {
    Comment: step.comment,
    CreatedAt: createdAt,
    CreatedBy: truncates ? ellipsis(command, commandWidth) : command,
    CreatedSince: human && created ? formatAge(nowMs - created.getTime()) : createdAt,
    ID: truncates && id !== missing ? shortId(id as LocalImage["id"]) : id, // safe: an ID if it is not missing
    Size: human ? formatSize(size) : String(size),
  };
}

/** The headings of these fields. */
export const historyHeadings: Readonly<Record<string, string>> = {
  Comment: "COMMENT",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  CreatedSince: "CREATED",
  ID: "IMAGE",
  Size: "SIZE",
};

function ellipsis(text: string, width: number): string {
  const chars = [...text];
  return chars.length > width ? `${chars.slice(0, width - 1).join("")}…` : text;
}
