import type { Action } from "../../access/roles.ts";
import type { RouteKind } from "../routes.ts";

const reading: Readonly<Record<string, Action>> = { GET: "pull", HEAD: "pull" };
const uploading: Readonly<Record<string, Action>> = {
  POST: "push",
  PATCH: "push",
  PUT: "push",
  GET: "push",
  DELETE: "push",
};

/** What a request of the distribution API does to its repository, by route and method. */
const table: Readonly<Record<Exclude<RouteKind, "base" | "catalog">, Readonly<Record<string, Action>>>> = {
  blob: { ...reading, DELETE: "delete" },
  manifest: { ...reading, PUT: "push", DELETE: "delete" },
  tag: { ...reading, PUT: "push", DELETE: "delete" },
  uploads: uploading,
  upload: uploading,
  tags: reading,
  referrers: reading,
};

/** The action that somebody has to be allowed; undefined where there is no such request or no repository. */
export function actionFor(kind: RouteKind, method: string): Action | undefined {
  return kind === "base" || kind === "catalog" ? undefined : table[kind][method];
}
