import type { RepositoryName } from "./names.ts";

/**
 * What a token allows: actions on one resource.
 * https://distribution.github.io/distribution/spec/auth/scope/
 */
export interface Scope {
  /** Type and name, such as `repository:library/alpine`. */
  readonly resource: string;
  /** Such as `pull`, `push`, `delete`, `*`. */
  readonly actions: readonly string[];
}

/** To read from a repository. */
export function pullScope(repository: RepositoryName): Scope {
  return { resource: `repository:${repository}`, actions: ["pull"] };
}

/** To write to a repository; clients always ask for `pull` with it. */
export function pushScope(repository: RepositoryName): Scope {
  return { resource: `repository:${repository}`, actions: ["pull", "push"] };
}

/** To delete from a repository. */
export function deleteScope(repository: RepositoryName): Scope {
  return { resource: `repository:${repository}`, actions: ["delete", "pull"] };
}

/** To list repositories. */
export const catalogScope: Scope = { resource: "registry:catalog", actions: ["*"] };

/** To use Berth's management API. */
export const managementScope: Scope = { resource: "registry:management", actions: ["*"] };

/** Parses scopes separated by spaces, as a challenge names them. What is malformed is passed over. */
export function parseScopes(text: string): readonly Scope[] {
  return text.split(/\s+/).flatMap((word) => {
    const colon = word.lastIndexOf(":");
    const actions = word.slice(colon + 1).split(",");
    return colon > 0 && word.indexOf(":") < colon && actions.every(Boolean)
      ? [{ resource: word.slice(0, colon), actions }]
      : [];
  });
}

/** `repository:library/alpine:pull,push`. */
export function formatScope({ resource, actions }: Scope): string {
  return `${resource}:${actions.join(",")}`;
}

/** One scope for each resource, with all its actions, in a fixed order. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const merged = new Map<string, Set<string>>();
  for (const { resource, actions } of scopes) {
    const known = merged.get(resource) ?? new Set();
    for (const action of actions) known.add(action);
    merged.set(resource, known);
  }
  return [...merged]
    .map(([resource, actions]) => ({ resource, actions: [...actions].sort() }))
    .sort((a, b) => (a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0));
}

/** Whether what is granted includes all that is wanted. */
export function covers(granted: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every(({ resource, actions }) => {
    const found = granted.find((scope) => scope.resource === resource);
    return found !== undefined && actions.every((action) => found.actions.includes(action));
  });
}
