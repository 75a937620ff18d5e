import type { Digest } from "../../oci/digests.ts";
import { familiarName } from "../../oci/references.ts";
import { formatAge, formatSize } from "../output/units.ts";
import type { ShownImage } from "./filters.ts";
import { createdMs, type LocalImage, shortId } from "./local-image.ts";

/** One line of `image ls`: an image under one of its names. */
export interface ImageRow {
  readonly image: LocalImage;
  /** As docker shows it; `<none>` for an image without a name. */
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest | "<none>";
}

/** What stands where there is no name, tag or digest. */
export const none = "<none>";

/**
 * The lines for images: one for each tag, and for names that have no tag. With digests, one for each of them too.
 */
export function rowsOf(shown: readonly ShownImage[], withDigests: boolean): readonly ImageRow[] {
  return shown.flatMap((each) => rowsOfImage(each, withDigests));
}

function rowsOfImage({ image, tags, digests }: ShownImage, withDigests: boolean): readonly ImageRow[] {
  if (tags.length === 0 && digests.length === 0) {
    return [{ image, repository: none, tag: none, digest: none }];
  }
  const digestsByName = groupBy(digests.map((entry) => [familiarName(entry), entry.descriptor.digest]));
  const tagsByName = groupBy(tags.map((entry) => [familiarName(entry), entry.tag as string]));
  const rows: ImageRow[] = [];
  for (const [repository, names] of tagsByName) {
    const found = withDigests ? (digestsByName.get(repository) ?? []) : [];
    digestsByName.delete(repository); // they are shown with the tags
    for (const tag of names) {
      for (const digest of found.length > 0 ? found : [none])
        rows.push({ image, repository, tag, digest } as ImageRow); // safe: a digest or none
    }
  }
  for (const [repository, found] of digestsByName) {
    for (const digest of withDigests ? found : found.slice(0, 1)) {
      rows.push({ image, repository, tag: none, digest: withDigests ? digest : none });
    }
  }
  return rows;
}

function groupBy<T>(pairs: readonly (readonly [string, T])[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of pairs) groups.set(key, [...(groups.get(key) ?? []), value]);
  return groups;
}

/** The fields of a line, under docker's names for `--format`. */
export function rowFields(
  row: ImageRow,
  truncates: boolean,
  nowMs: number,
): Readonly<Record<string, string>> {
  const { image, repository, tag, digest } = row;
  const created = createdMs(image);
  return {
    Containers: "N/A",
    CreatedAt: created ? formatGoTime(new Date(created)) : "N/A",
    CreatedSince: created ? formatAge(nowMs - created) : "N/A",
    Digest: digest,
    ID: truncates ? shortId(image.id) : image.id,
    Repository: repository,
    SharedSize: "N/A",
    Size: formatSize(image.size),
    Tag: tag,
    UniqueSize: "N/A",
    VirtualSize: formatSize(image.size),
  };
}

/** The headings of these fields. */
export const rowHeadings: Readonly<Record<string, string>> = {
  Containers: "CONTAINERS",
  CreatedAt: "CREATED AT",
  CreatedSince: "CREATED",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  SharedSize: "SHARED SIZE",
  Size: "SIZE",
  Tag: "TAG",
  UniqueSize: "UNIQUE SIZE",
  VirtualSize: "SIZE",
};

/** A time as Go prints it, in UTC: `2026-11-25 09:00:00 +0000 UTC`. */
export function formatGoTime(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}
