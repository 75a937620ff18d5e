/** A tag's place in a tree. */
export interface TreeRow {
  readonly tag: string;
  /** What stands before it: `│  └─ `. */
  readonly branches: string;
}

interface Node {
  readonly tag: string;
  readonly children: Node[];
}

const versionShape = /^(v?)(\d+(?:\.\d+)*)(.*)$/;

/**
 * Arranges tags so that a version stands below its floating tags, 2 above 2.1 above 2.1.3; variants by themselves.
 * Names first, then the highest versions.
 */
export function arrangeTags(tags: readonly string[]): readonly TreeRow[] {
  const nodes = new Map(tags.map((tag): [string, Node] => [tag, { tag, children: [] }]));
  const roots: Node[] = [];
  for (const node of nodes.values()) (parentOf(node.tag, nodes)?.children ?? roots).push(node);
  const rows: TreeRow[] = [];
  const visit = (siblings: Node[], indent: string, isRoot: boolean): void => {
    siblings.sort((a, b) => compareTags(a.tag, b.tag));
    for (const [at, { tag, children }] of siblings.entries()) {
      const isLast = at === siblings.length - 1;
      rows.push({ tag, branches: isRoot ? "" : `${indent}${isLast ? "└─ " : "├─ "}` });
      visit(children, isRoot ? "" : `${indent}${isLast ? "   " : "│  "}`, false);
    }
  };
  visit(roots, "", true);
  return rows;
}

function parentOf(tag: string, nodes: ReadonlyMap<string, Node>): Node | undefined {
  const [, prefix = "", numbers = "", suffix = ""] = versionShape.exec(tag) ?? [];
  const parts = numbers.split(".");
  for (let length = parts.length - 1; length > 0; length--) {
    const parent = nodes.get(`${prefix}${parts.slice(0, length).join(".")}${suffix}`);
    if (parent) return parent;
  }
  return undefined;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Names before versions, in the order of the alphabet; versions from the highest down. */
function compareTags(a: string, b: string): number {
  const [isA, isB] = [versionShape.test(a), versionShape.test(b)];
  if (isA !== isB) return isA ? 1 : -1;
  return isA ? collator.compare(b, a) : collator.compare(a, b);
}
