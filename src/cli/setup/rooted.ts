import { readlinkSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { errorCode } from "../../registry/files/durable.ts";

/** As many as Linux follows. https://man7.org/linux/man-pages/man7/path_resolution.7.html */
const maxLinks = 40;

/**
 * Where a path leads to when `root` is taken for `/`: links are followed as a program would that was confined to it, so
 * that nothing outside is reached. What is not there is taken as it is written.
 * @throws ELOOP when links lead in a circle, and what reading a link throws
 */
export function pathBelow(root: string, path: string): string {
  const names = partsOf(path);
  let at = root;
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      at = at === root ? root : dirname(at);
      continue;
    }
    const next = join(at, name);
    const target = linkAt(next);
    if (target === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (links > maxLinks) throw Object.assign(new Error(`${path}: too many links`), { code: "ELOOP" });
    if (isAbsolute(target)) at = root;
    names.unshift(...partsOf(target));
  }
  return at;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (["EINVAL", "ENOENT", "ENOTDIR"].includes(errorCode(error))) return undefined; // no link
    throw error;
  }
}
