import { RegistryError } from "../oci/errors.ts";
import { catalogScope, covers, formatScope, type Scope } from "../oci/scopes.ts";
import { actorOf, type Caller } from "./identities.ts";
import { type Decision, decide } from "./permissions.ts";
import { type Action, roleFor } from "./roles.ts";

/** What one caller may do, remembered for as long as the caller is. */
export interface Guard {
  /** Whether it is permitted and the caller's token is for it. */
  may(action: Action, repository: string): boolean;
  /** Whether it is permitted, whatever the token was made for. */
  isPermitted(action: Action, repository: string): boolean;
  /** What to answer to somebody who may not. Says nothing of what is there. */
  refusal(action: Action, repository: string): RegistryError;
  /** @throws RegistryError UNAUTHORIZED when who asks should first log in, or get a token for it, to see more */
  checkListing(): void;
  /** Whether who asks could get further by logging in or by another token; then `refusal` says how. */
  couldGetIn(action: Action, repository: string): boolean;
}

const mostRemembered = 2000;

export function createGuard(caller: Caller): Guard {
  const decisions = new Map<string, Decision & { readonly permitted: boolean }>();

  const look = (action: Action, repository: string) => {
    const key = `${action} ${repository}`;
    const known = decisions.get(key);
    if (known) return known;
    const permitted = decide(caller.permissions, action, repository);
    const isFor = caller.scopes === undefined || isCovered(caller.scopes, scopeFor(action, repository));
    const decision = isFor
      ? { ...permitted, permitted: permitted.allowed }
      : {
          allowed: false,
          permitted: permitted.allowed,
          reason: permitted.allowed ? "the bearer token was not made for this" : permitted.reason,
        };
    if (decisions.size >= mostRemembered) decisions.clear();
    decisions.set(key, decision);
    return decision;
  };
  const isAnonymous = caller.identity.kind === "anonymous";

  return {
    may: (action, repository) => look(action, repository).allowed,
    isPermitted: (action, repository) => look(action, repository).permitted,
    checkListing() {
      // The anonymous have said that they are by coming with a token for it.
      const { scopes } = caller;
      if (scopes ? covers(scopes, [catalogScope]) : !isAnonymous) return;
      throw new RegistryError("UNAUTHORIZED", "log in to list repositories", {
        detail: [toDetail(catalogScope)],
      });
    },
    couldGetIn: (action, repository) => isAnonymous || look(action, repository).permitted,
    refusal(action, repository) {
      const { permitted, reason } = look(action, repository);
      if (isAnonymous || permitted) {
        const message = isAnonymous ? `log in to ${phrases[action]} ${repository}` : reason;
        return new RegistryError("UNAUTHORIZED", message, {
          detail: [toDetail(scopeFor(action, repository))],
        });
      }
      return new RegistryError(
        "DENIED",
        `${actorOf(caller.identity)} may not ${phrases[action]} ${repository}: ${adviceFor(caller, action, repository)}`,
      );
    },
  };
}

const phrases: Readonly<Record<Action, string>> = {
  pull: "pull from",
  push: "push to",
  overwrite: "move tags of",
  delete: "delete from",
  administer: "administer",
};

function adviceFor({ permissions }: Caller, action: Action, repository: string): string {
  const byRole = decide({ grants: permissions.grants }, action, repository);
  return byRole.allowed
    ? "the token that was used is limited, use another"
    : `that needs the role ${roleFor(action)} there, which an administrator can give`;
}

/** What a bearer token has to be good for. https://distribution.github.io/distribution/spec/auth/scope/ */
export function scopeFor(action: Action, repository: string): Scope {
  const resource = `repository:${repository}`;
  if (action === "pull") return { resource, actions: ["pull"] };
  if (action === "delete") return { resource, actions: ["delete"] };
  return { resource, actions: ["pull", "push"] };
}

/** A token for pushing is enough to push, though clients always ask for pull with it. */
function isCovered(scopes: readonly Scope[], { resource, actions }: Scope): boolean {
  return covers(scopes, [{ resource, actions: actions.slice(-1) }]);
}

/** As distribution writes in its errors what was wanted. */
interface ScopeDetail {
  readonly Type: string;
  readonly Name: string;
  readonly Action: string;
}

function toDetail({ resource, actions }: Scope): ScopeDetail {
  const colon = resource.indexOf(":");
  return { Type: resource.slice(0, colon), Name: resource.slice(colon + 1), Action: actions.join(",") };
}

/** The scope that an UNAUTHORIZED error asks for, as it stands in a challenge; undefined when it names none. */
export function wantedScope(error: RegistryError): string | undefined {
  if (!Array.isArray(error.detail)) return undefined;
  const details = error.detail as readonly ScopeDetail[]; // safe: whoever throws UNAUTHORIZED in this process uses it so
  return details
    .map(({ Type, Name, Action }) => formatScope({ resource: `${Type}:${Name}`, actions: [Action] }))
    .join(" ");
}
