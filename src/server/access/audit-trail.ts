import type { AuditLog } from "../../access/audit.ts";
import type { Guard } from "../../access/guard.ts";
import { actorOf, type Caller } from "../../access/identities.ts";
import type { Action } from "../../access/roles.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { AuditEntry } from "../../store/metadata/audit.ts";
import type { AddressOf } from "../network/addresses.ts";
import type { Route } from "../routes.ts";
import type { Entry, FinishedRequest } from "./gate.ts";
import { actionFor } from "./route-actions.ts";

/** An entry with what is known of its caller. */
export interface GuardedEntry extends Entry {
  readonly guard: Guard;
  readonly caller: Caller;
}

/** A finished request whose caller is known, if it was let in. */
export interface AuditedRequest extends FinishedRequest {
  readonly entry: GuardedEntry | undefined;
}

/** Records what became of a request. Resolves when a change is durable; undefined when nobody has to wait. */
export type AuditTrail = (event: AuditedRequest) => Promise<void> | undefined;

/** The same caller that pulls the same again within this time is one entry. */
const samePullMs = 60_000;
const mostPulls = 1000;

/** Turns requests into entries of the record: pulls of manifests, pushes, deletions, and what was refused. */
export function createAuditTrail(log: AuditLog, addressOf: AddressOf): AuditTrail {
  const pulls = new WeakMap<Caller, Map<string, number>>();

  const isFirstPull = (caller: Caller, path: string): boolean => {
    const now = Date.now();
    const known = pulls.get(caller) ?? new Map<string, number>();
    pulls.set(caller, known);
    if (now - (known.get(path) ?? 0) < samePullMs) return false;
    if (known.size >= mostPulls) known.clear();
    known.set(path, now);
    return true;
  };

  return (event) => {
    const { request, route, entry, response } = event;
    const address = () => addressOf(event.request, event.connection);
    if (!entry) return refusedLogin(log, event, address);
    const action = actionFor(route.kind, request.method);
    if (action === undefined || !("repository" in route)) return undefined;
    const { guard, caller } = entry;
    const isByRule = refusals.some((code) => isRegistryError(event.failure, code));
    if (isByRule || !guard.may(action, route.repository)) {
      if (!isByRule && isProtocol(caller, guard, action, route.repository)) return undefined;
      log.note({ ...describe(event, entry, route, address), action, outcome: "refused", ...reasonOf(event) });
      return undefined;
    }
    if (response.status >= 400 || !("tag" in route || route.kind === "manifest" || action === "delete"))
      return undefined;
    if (action === "pull") {
      if (request.method === "GET" && isFirstPull(caller, request.url))
        log.note({ ...describe(event, entry, route, address), action, outcome: "done" });
      return undefined;
    }
    return log.record({ ...describe(event, entry, route, address), action, outcome: "done" });
  };
}

/** Refused though the caller is known: by roles, quotas, rules for tags, limits. */
const refusals = ["DENIED", "TAG_PROTECTED", "TOOMANYREQUESTS"] as const;

/** The first steps of logging in: who is not known yet, or has a token for something else, is asked to get one. */
function isProtocol(caller: Caller, guard: Guard, action: Action, repository: string): boolean {
  const isUnknown = caller.identity.kind === "anonymous" && caller.scopes === undefined;
  return isUnknown || (guard.isPermitted(action, repository) && !guard.may(action, repository));
}

/** Wrong passwords are recorded where they are checked; here, what came as a bearer token. */
function refusedLogin(log: AuditLog, { request, failure }: AuditedRequest, address: () => string): undefined {
  const isBearer = request.headers.get("authorization")?.toLowerCase().startsWith("bearer ");
  if (!isBearer || !isRegistryError(failure, "UNAUTHORIZED")) return;
  log.note({
    at: Date.now(),
    actor: "anonymous",
    credential: "none",
    address: address(),
    action: "login",
    outcome: "refused",
    detail: failure.message,
  });
}

function describe(
  { response }: AuditedRequest,
  { caller }: GuardedEntry,
  route: Route,
  address: () => string,
): Pick<AuditEntry, "at" | "actor" | "credential" | "address" | "repository" | "subject" | "digest"> {
  const digest = "digest" in route ? route.digest : response.headers.get("docker-content-digest");
  return {
    at: Date.now(),
    actor: actorOf(caller.identity),
    credential: caller.credential,
    address: address(),
    ...("repository" in route ? { repository: route.repository } : {}),
    ...("tag" in route ? { subject: route.tag } : {}),
    ...(digest ? { digest } : {}),
  };
}

function reasonOf({ failure }: AuditedRequest): { detail?: string } {
  return isRegistryError(failure) ? { detail: failure.message } : {};
}
