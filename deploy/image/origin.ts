import { spawnSync } from "node:child_process";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import type { ImageOrigin } from "./assemble.ts";

const root = join(import.meta.dir, "..", "..");

/** What is told, where the checkout does not know it. */
export interface OriginOptions {
  /** The commit that it is built from; the checkout's own if absent. */
  readonly revision?: string;
  /** Where the source code is published; left out if absent. */
  readonly source?: string;
}

/** The version, as package.json has it. */
export const { version } = manifest;

/**
 * What is built: version, license, commit, and its time, or that of SOURCE_DATE_EPOCH, so that the same commit gives the
 * same image at any time.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md, https://reproducible-builds.org/specs/source-date-epoch/
 * @throws when nothing says of what time it is
 */
export function originOf(
  environment: Readonly<Record<string, string | undefined>>,
  { revision = commitOf(), source }: OriginOptions,
): ImageOrigin {
  const created = createdOf(environment.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct"));
  const labels = {
    title: "Berth",
    description: manifest.description,
    version,
    licenses: manifest.license,
    created,
    revision,
    source,
  };
  const given = Object.entries(labels).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  return {
    created,
    labels: Object.fromEntries(given.map(([key, text]) => [`org.opencontainers.image.${key}`, text])),
  };
}

function createdOf(seconds: string | undefined): string {
  if (seconds !== undefined && /^\d{1,11}$/.test(seconds))
    return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
  throw new Error(
    seconds === undefined
      ? "nothing says when this was changed last: it is no checkout of git, so set SOURCE_DATE_EPOCH to a time in seconds"
      : `SOURCE_DATE_EPOCH is ${JSON.stringify(seconds)}: expected seconds since 1970`,
  );
}

/** What is not in a commit has no revision, only one that it came after. */
function commitOf(): string | undefined {
  const commit = git("rev-parse", "HEAD");
  const changes = git("status", "--porcelain", "--untracked-files=no");
  return commit === undefined || changes === "" ? commit : `${commit}-dirty`;
}

/** `undefined` where there is no git, or no checkout of it. */
function git(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("git", ["-C", root, ...args], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
