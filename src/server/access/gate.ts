import { RegistryError } from "../../oci/errors.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Eventually } from "../../store/metadata/eventually.ts";
import type { Authorize } from "../api/operations.ts";
import type { Connection } from "../context.ts";
import type { Route, RouteKind } from "../routes.ts";

/** A registry as one caller may use it. */
export interface Entry {
  readonly registry: Registry;
  /** Who asks, for the record. */
  readonly actor: string;
  /** Told of bytes of blobs that came and go, where they are limited. */
  readonly countBytes?: (bytes: number) => void;
}

/** Stands before everything that the server offers. */
export interface Gate {
  /** Lets a request of the distribution API in. @throws RegistryError UNAUTHORIZED; TOOMANYREQUESTS */
  admit(request: Request, connection: Connection, kind: RouteKind): Eventually<Entry>;
  /** Decides on a request of the management API, or of a page. */
  readonly authorize: Authorize;
  /** Headers that go with a refusal: how to log in. */
  refusalHeaders(error: RegistryError, request: Request, connection: Connection): Record<string, string>;
  /** Records what became of a request of the distribution API. Resolves when it is durable; absent if nothing is. */
  readonly finished?: (event: FinishedRequest) => Promise<void> | undefined;
}

/** A request of the distribution API that has its answer. */
export interface FinishedRequest {
  readonly request: Request;
  readonly connection: Connection;
  readonly route: Route;
  /** Absent when it was not let in. */
  readonly entry: Entry | undefined;
  readonly response: Response;
  /** What went wrong, if anything. */
  readonly failure: unknown;
}

/** Lets everybody in, to pull and push. */
export function openGate(registry: Registry): Gate {
  const entry: Entry = { registry, actor: "anonymous" };
  return {
    admit: () => entry,
    authorize(_request, need) {
      if (need.kind === "login") throw noAccounts();
      return { actor: "anonymous", mayRead: () => true };
    },
    refusalHeaders: () => ({}),
  };
}

/** What those hear who ask for accounts where there are none. */
export function noAccounts(): RegistryError {
  return new RegistryError(
    "UNSUPPORTED",
    "this registry is open and looks at no accounts: to have some, start it with --open=pull or --open=none",
  );
}
