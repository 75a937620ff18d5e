/** What can be done with a repository; `administer` also says who may do what there. */
export const actions = ["pull", "push", "overwrite", "delete", "administer"] as const;
export type Action = (typeof actions)[number];

/** What people and robots are given, each with all that those before it may do. */
export const roles = ["reader", "writer", "maintainer", "administrator"] as const;
export type Role = (typeof roles)[number];

const actionsByRole: Readonly<Record<Role, readonly Action[]>> = {
  reader: ["pull"],
  writer: ["pull", "push"],
  maintainer: ["pull", "push", "overwrite", "delete"],
  administrator: actions,
};

/** What a role may do: a writer pushes new tags, a maintainer also moves and deletes those that are there. */
export function actionsOf(role: Role): readonly Action[] {
  return actionsByRole[role];
}

/** The least role that may do this. */
export function roleFor(action: Action): Role {
  return roles.find((role) => actionsByRole[role].includes(action)) ?? "administrator";
}
