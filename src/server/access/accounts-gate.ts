import type { AuditLog } from "../../access/audit.ts";
import type { Authenticator } from "../../access/authenticator.ts";
import { createGuard, type Guard, wantedScope } from "../../access/guard.ts";
import { guardRegistry } from "../../access/guarded-registry.ts";
import { actorOf, type Caller } from "../../access/identities.ts";
import { mayAdministerRegistry } from "../../access/permissions.ts";
import type { createRequestLimits } from "../../access/request-limits.ts";
import { RegistryError } from "../../oci/errors.ts";
import { covers, formatScope, managementScope } from "../../oci/scopes.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Caller as ApiCaller, Authorize, Need } from "../api/operations.ts";
import { recorderOf, recordRefusal } from "../api/record.ts";
import type { Forwarding } from "../network/forwarding.ts";
import type { RouteKind } from "../routes.ts";
import { createAuditTrail, type GuardedEntry } from "./audit-trail.ts";
import type { Entry, Gate } from "./gate.ts";
import { credentialsOf } from "./sessions.ts";
import { challengeHeader } from "./token-realm.ts";

export interface AccountsGateOptions {
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  /** The registry's name in challenges. */
  readonly service: string;
  readonly auditLog: AuditLog;
  readonly forwarding: Forwarding;
  readonly limits?: RequestLimits;
}

type RequestLimits = ReturnType<typeof createRequestLimits>;

/** Lets in who may, to what they may. */
export function createAccountsGate(options: AccountsGateOptions): Gate {
  const { registry, authenticator, service, auditLog, limits } = options;
  const { addressOf, baseUrlOf } = options.forwarding;
  const trail = createAuditTrail(auditLog, addressOf);
  const entries = new WeakMap<Caller, GuardedEntry>();
  /** Requests of known callers that were too many, for the record. */
  const sentAway = new WeakMap<Request, GuardedEntry>();

  const entryOf = (caller: Caller): GuardedEntry => {
    const known = entries.get(caller);
    if (known) return known;
    const guard = createGuard(caller);
    const guarded = guardRegistry(registry, guard, caller.permissions);
    const entry = { registry: guarded, actor: actorOf(caller.identity), guard, caller };
    entries.set(caller, entry);
    return entry;
  };

  const authorize: Authorize = async (request, need, connection): Promise<ApiCaller> => {
    const header = credentialsOf(request, () => baseUrlOf(request, connection));
    const address = addressOf(request, connection);
    const caller = await authenticator.authenticate(header, () => address);
    const { guard, actor } = entryOf(caller);
    const asker = { caller, address };
    const path = new URL(request.url).pathname.replace("/api/v1/", "");
    try {
      checkNeed(caller, guard, need);
    } catch (error) {
      recordRefusal(auditLog, asker, need, path, error);
      throw error;
    }
    return {
      ...{ actor, asker, record: recorderOf(auditLog, asker, need, request.method, path) },
      mayRead: (repository) => guard.isPermitted("pull", repository),
      recheck: async () => {
        authenticator.recheck(); // an event that is passed over is not told again: here a right counts at once
        return authorize(request, need, connection);
      },
    };
  };

  return {
    admit(request, connection, kind) {
      const header = request.headers.get("authorization");
      const address = () => addressOf(request, connection);
      const caller = authenticator.authenticate(header, address);
      const letIn = (found: Caller): Entry => {
        const entry = entryOf(checkKnock(found, kind));
        if (!limits) return entry;
        try {
          return limitEntry(entry, limits, request.method, kind, address());
        } catch (error) {
          sentAway.set(request, entry);
          throw error;
        }
      };
      return caller instanceof Promise ? caller.then(letIn) : letIn(caller);
    },
    authorize,
    finished(event) {
      const entry = event.entry ?? sentAway.get(event.request);
      return trail({ ...event, entry: entry as GuardedEntry | undefined }); // safe: every entry was made above
    },
    refusalHeaders(error, request, connection): Record<string, string> {
      if (error.code !== "UNAUTHORIZED") return {};
      const place = { baseUrl: baseUrlOf(request, connection), service };
      return { "www-authenticate": challengeHeader(request, place, wantedScope(error)) };
    },
  };
}

/** Takes what a request costs from what its caller may ask for. @throws RegistryError TOOMANYREQUESTS */
function limitEntry(
  entry: GuardedEntry,
  limits: RequestLimits,
  method: string,
  kind: RouteKind,
  address: string,
): GuardedEntry {
  const allowance = limits.of(entry.caller, address);
  if (!allowance) return entry;
  const isManifest = kind === "tag" || kind === "manifest";
  if (isManifest && method === "GET") allowance.takePull();
  if (isManifest && method === "PUT") allowance.takePush();
  if (kind === "blob" || kind === "upload" || kind === "uploads") allowance.checkBytes();
  return { ...entry, registry: allowance.limitUploads(entry.registry), countBytes: allowance.countBytes };
}

/** Clients ask for `/v2/` to learn how to log in: who has shown nothing is told. */
function checkKnock(caller: Caller, kind: string): Caller {
  if (kind === "base" && caller.identity.kind === "anonymous" && caller.scopes === undefined) {
    throw new RegistryError("UNAUTHORIZED", "log in to this registry");
  }
  return caller;
}

/** @throws RegistryError UNAUTHORIZED; DENIED; NAME_UNKNOWN for a repository that is hidden */
function checkNeed(caller: Caller, guard: Guard, need: Need): void {
  if (need.kind === "nothing") return;
  const wants = { detail: [{ Type: "registry", Name: "management", Action: "*" }] };
  const isAnonymous = caller.identity.kind === "anonymous";
  if (isAnonymous && !(need.kind === "repository" && need.action === "pull")) {
    throw new RegistryError("UNAUTHORIZED", "log in to use the management API", wants);
  }
  // What nobody in particular may read needs no token: one that says so is as good as none.
  if (!isAnonymous && caller.scopes && !covers(caller.scopes, [managementScope])) {
    throw new RegistryError(
      "UNAUTHORIZED",
      `the bearer token was not made for ${formatScope(managementScope)}`,
      wants,
    );
  }
  if (need.kind === "registry" && !mayAdministerRegistry(caller.permissions)) {
    throw new RegistryError(
      "DENIED",
      `${actorOf(caller.identity)} is no administrator of this registry: ask one`,
    );
  }
  if (need.kind !== "repository") return;
  const { action, repository } = need;
  if (guard.isPermitted(action, repository)) return;
  if (action !== "pull" || guard.couldGetIn(action, repository)) throw guard.refusal(action, repository);
  throw new RegistryError("NAME_UNKNOWN", `there is no repository ${repository}`);
}
