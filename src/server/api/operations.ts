import type { z } from "zod";
import type { Asker } from "../../access/asker.ts";
import type { Action } from "../../access/roles.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Connection } from "../context.ts";
import { emptyResponse, jsonResponse } from "../responses.ts";

/** What somebody must be allowed to do before an operation runs. */
export type Need =
  | { readonly kind: "nothing" }
  /** To be somebody: for what concerns nobody but the caller. */
  | { readonly kind: "login" }
  /** Settings and figures of the whole registry. */
  | { readonly kind: "registry"; readonly action: "read" | "write" }
  | {
      readonly kind: "repository";
      readonly repository: RepositoryName;
      readonly action: Action;
    };

/** Who asks, as far as an operation has to know. */
export interface Caller {
  /** For the record: who changed something. */
  readonly actor: string;
  /** Whether the caller may know that a repository exists. */
  readonly mayRead: (repository: RepositoryName) => boolean;
  /** Who asks, with all that they may, and from where; absent in a registry that is open to everybody. */
  readonly asker?: Asker;
  /**
   * Looks again who this is and what they may, for an answer that goes on for long; as it was where everybody may.
   * @throws RegistryError UNAUTHORIZED; DENIED when the answer has to end
   */
  readonly recheck?: () => Promise<Caller>;
  /**
   * Records that it was done, or with an error that it was not allowed, where there is a record of that. Resolves when
   * what was done is durable there.
   */
  readonly record?: (input: unknown, error?: unknown) => Promise<void>;
}

/** Decides whether a request may do what an operation needs. @throws RegistryError UNAUTHORIZED; DENIED */
export type Authorize = (request: Request, need: Need, connection: Connection) => Caller | Promise<Caller>;

/** One request to an operation, whose input has been checked and which is allowed. */
export interface Call extends Caller {
  readonly request: Request;
  /** The answer goes on for long: its connection is not cut while nothing is sent. */
  keepOpen(): void;
}

/** What a request brings, checked by the operation's schemas. */
export interface Input<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

/** What an operation is made of. Absent schemas take nothing. */
export interface Definition<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Result extends z.ZodType,
> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v1`, with `{name}` for what `params` takes. */
  readonly path: `/${string}`;
  /** One sentence, for the OpenAPI document. */
  readonly summary: string;
  readonly params?: Params;
  /** Values of the query; one that is repeated is an array. */
  readonly query?: Query;
  /** The JSON body; a GET has none. */
  readonly body?: Body;
  /** The JSON body of the answer. */
  readonly response?: Result;
  /** The media type of an answer that is no JSON; `run` then resolves to a `Response`. */
  readonly produces?: string;
  need(input: Input<z.output<Params>, z.output<Query>, z.output<Body>>): Need;
  /** @throws RegistryError */
  run(
    input: Input<z.output<Params>, z.output<Query>, z.output<Body>>,
    call: Call,
  ): z.input<Result> | Response | Promise<z.input<Result> | Response>;
}

/** What a request brought, not yet checked. */
export type RawInput = Input<unknown, unknown, unknown>;

/** An operation of the management API, whatever its types. */
export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: `/${string}`;
  readonly summary: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly response?: z.ZodType;
  readonly produces?: string;
  /** Checks, asks for permission, runs. @throws RegistryError REQUEST_INVALID; what `authorize` and `run` throw */
  answer(raw: RawInput, request: Request, surroundings: Surroundings): Promise<Response>;
}

/** What the server lends to one call. */
export interface Surroundings {
  readonly authorize: (request: Request, need: Need) => Caller | Promise<Caller>;
  keepOpen(): void;
}

/** Makes an operation of its definition. */
export function operation<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
  Result extends z.ZodType = z.ZodUndefined,
>(definition: Definition<Params, Query, Body, Result>): Operation {
  const { method, path, summary, params, query, body, response, produces } = definition;
  return {
    ...{ method, path, summary },
    ...(params && { params }),
    ...(query && { query }),
    ...(body && { body }),
    ...(response && { response }),
    ...(produces === undefined ? {} : { produces }),
    async answer(raw, request, { authorize, keepOpen }) {
      const input = {
        params: check("path", params, raw.params),
        query: check("query", query, raw.query),
        body: check("body", body, raw.body),
      };
      const caller = await authorize(request, definition.need(input));
      const asked = input.body ?? input.query;
      const result = await runRecorded(caller, asked, () =>
        definition.run(input, { ...caller, request, keepOpen }),
      );
      if (result instanceof Response) return result;
      return result === undefined ? emptyResponse(204, {}) : jsonResponse(200, result);
    },
  };
}

async function runRecorded<T>(caller: Caller, asked: unknown, run: () => T | Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await run();
  } catch (error) {
    await caller.record?.(asked, error);
    throw error;
  }
  await caller.record?.(asked);
  return result;
}

function check<Schema extends z.ZodType>(
  where: string,
  schema: Schema | undefined,
  value: unknown,
): z.output<Schema> {
  if (!schema) return undefined as z.output<Schema>; // safe: an absent schema's type is that of undefined
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const path = [where, ...issue.path].join(".");
    const found = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], // safe: `?.` stops at what is no object
      value,
    );
    return found === undefined
      ? `${path} is missing: ${issue.message}`
      : `${path} is ${quote(typeof found === "string" ? found : JSON.stringify(found))}: ${issue.message}`;
  });
  throw new RegistryError("REQUEST_INVALID", faults.join("; "), { detail: { faults } });
}
