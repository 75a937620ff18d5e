import { printable } from "./failures.ts";

const warning = /(?:^|,)\s*299\s+\S+\s+"((?:[^"\\]|\\.)*)"/g;
/** How many warnings are remembered, so that none is told twice. */
const maxRemembered = 1000;

/**
 * The texts of a `Warning` header, as registries write it.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#warnings: "MUST specify a warn-code of 299"
 */
export function parseWarnings(header: string | undefined): readonly string[] {
  return Array.from((header ?? "").matchAll(warning), ([, text = ""]) =>
    printable(text.replace(/\\(.)/g, "$1")),
  );
}

/** Calls `tell` with each warning once. "Clients SHOULD deduplicate warnings from multiple associated responses." */
export function onceEach(tell: (warning: string) => void): (warning: string) => void {
  const told = new Set<string>();
  return (text) => {
    if (told.has(text)) return;
    if (told.size >= maxRemembered) told.clear();
    told.add(text);
    tell(text);
  };
}
