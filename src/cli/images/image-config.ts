import { RegistryError } from "../../oci/errors.ts";
import { parseStrictJson } from "../../oci/strict-json.ts";

/** One step of how an image was made. */
export interface HistoryStep {
  readonly created?: string;
  readonly createdBy: string;
  readonly comment: string;
  /** Whether it made no layer. */
  readonly isEmpty: boolean;
}

/** What Berth reads of an image's config. https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md */
export interface ImageConfig {
  /** The `config` part as it stands: environment, command, labels and so on. */
  readonly run: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly created?: string;
  readonly author: string;
  readonly comment: string;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryStep[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses an image's config. Fields of the wrong kind count as missing: docker reads such images too.
 * @throws RegistryError MANIFEST_INVALID when it is no JSON object
 */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError("MANIFEST_INVALID", `config ${where} is damaged: ${reason}`, { cause });
  }
  if (!isFields(value)) throw new RegistryError("MANIFEST_INVALID", `config ${where} is not a JSON object`);
  const run = fieldsOf(value.config);
  const created = dateOf(value.created);
  return {
    run,
    labels: textsOf(run.Labels),
    ...(created ? { created } : {}),
    author: textOf(value.author),
    comment: textOf(value.comment),
    os: textOf(value.os),
    architecture: textOf(value.architecture),
    variant: textOf(value.variant),
    diffIds: listOf(fieldsOf(value.rootfs).diff_ids).map(textOf),
    history: listOf(value.history).map(stepOf),
  };
}

function stepOf(value: unknown): HistoryStep {
  const fields = fieldsOf(value);
  const created = dateOf(fields.created);
  return {
    ...(created ? { created } : {}),
    createdBy: textOf(fields.created_by),
    comment: textOf(fields.comment),
    isEmpty: fields.empty_layer === true,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

/** A time that can be read. Go writes one that was never set as the year 1, which counts as none. */
function dateOf(value: unknown): string | undefined {
  const text = textOf(value);
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms < Date.UTC(1900) ? undefined : text;
}
