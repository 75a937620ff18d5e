import { managementScope } from "../oci/scopes.ts";
import type { OperationOptions } from "../registry/registry.ts";
import type { Answer } from "./exchanges.ts";
import type { Remote } from "./remote.ts";
import type { Method } from "./transport.ts";

/** What an operation of Berth's management API is asked. */
export interface ManagementRequest extends OperationOptions {
  readonly method: Exclude<Method, "HEAD">;
  /** Below `/api/v1`, such as `/accounts`; names in it are encoded. */
  readonly path: `/${string}`;
  /** What is `undefined` is left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  readonly body?: object;
  /** Stands behind "cannot" in messages. */
  readonly action: string;
}

/** Asks a Berth what is not of the distribution API. */
export interface Manager {
  /**
   * Resolves to the answer's JSON, `undefined` when there is none.
   * @throws RegistryError what the registry answered; UNSUPPORTED when it is no Berth
   */
  manage(request: ManagementRequest): Promise<unknown>;
  /** As `manage`, for an answer that goes on: it is read to its end or cancelled. */
  follow(request: ManagementRequest): Promise<ReadableStream<Uint8Array>>;
}

export function createManager(remote: Remote): Manager {
  const ask = (
    { method, path, query = {}, body, action, signal }: ManagementRequest,
    streams: boolean,
  ): Promise<Answer> => {
    const to = new URL(`/api/v1${path}`, remote.urlOf(""));
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) to.searchParams.set(name, String(value));
    }
    return remote.ask(
      {
        method,
        to,
        scopes: [managementScope],
        action,
        accept: [200, 204],
        notFound: "UNSUPPORTED",
        streams,
        // What was done by an attempt whose answer was lost must not be done again.
        isOnce: method === "POST",
        ...(body && {
          body: new TextEncoder().encode(JSON.stringify(body)),
          headers: { "content-type": "application/json" },
        }),
      },
      signal ? { signal } : {},
    );
  };
  return {
    async manage(request) {
      const { bytes } = await ask(request, false);
      return bytes.byteLength === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
    },
    async follow(request) {
      const { body } = await ask(request, true);
      return body ?? new ReadableStream({ start: (controller) => controller.close() });
    },
  };
}
