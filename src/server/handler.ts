import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { Entry, Gate } from "./access/gate.ts";
import type { Api } from "./api/app.ts";
import { type Connection, type Context, idleSeconds } from "./context.ts";
import { handleRoute } from "./distribution/distribution.ts";
import type { LatestFallback } from "./distribution/latest-fallback.ts";
import { createSlowReaders } from "./distribution/slow-readers.ts";
import { takeRest } from "./distribution/unread-bodies.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Forwarding } from "./network/forwarding.ts";
import { errorResponse, jsonResponse } from "./responses.ts";
import { parseRoute, type Route } from "./routes.ts";

/** What answers what is neither of the two APIs: health, metrics, tokens; by path. */
export type Pages = Readonly<Record<string, Page>>;
export type Page = (
  query: URLSearchParams,
  request: Request,
  connection: Connection,
) => Promise<Response> | Response;

export interface HandlerOptions {
  readonly gate: Gate;
  readonly pages: Pages;
  /** Answers what begins with `/api/`. */
  readonly api: Api;
  readonly latestOf: LatestFallback;
  readonly prefixOf: Forwarding["prefixOf"];
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The most characters of a path and query. */
const maxUrlLength = 16 * 1024;
const noQuery = new URLSearchParams();

let requests = 0;
const requestPrefix = Math.random().toString(36).slice(2, 8);

/** Makes the function that answers every request. It never throws. */
export function createHandler(
  options: HandlerOptions,
): (request: Request, connection: Connection) => Promise<Response> {
  const { gate, pages, api, latestOf, prefixOf, log, metrics } = options;
  const slowReaders = createSlowReaders();
  return async (request, connection) => {
    const started = performance.now();
    const requestId = `${requestPrefix}-${++requests}`;
    const { path, query } = splitUrl(request.url);
    let kind: Route["kind"] | "page" | "api" | "none" = "none";
    let failure: unknown;
    let response: Response;
    let route: Route | undefined;
    let entry: Entry | undefined;
    let hasSlowBody = false;
    try {
      const page = pages[path];
      route = page || request.url.length > maxUrlLength ? undefined : parseRoute(path);
      if (route) {
        kind = route.kind;
        const admission = gate.admit(request, connection, kind);
        entry = admission instanceof Promise ? await admission : admission;
        const context: Context = {
          request,
          query,
          registry: entry.registry,
          actor: entry.actor,
          requestId,
          latestOf,
          allowSlowBody() {
            hasSlowBody = true;
            connection.timeout(request, 0);
          },
          allowSlowReader: (size) => slowReaders.allow(connection, request, size),
          publicPath: (path) => prefixOf(request, connection) + path,
          count: countFor(entry, metrics),
        };
        const answer = handleRoute(context, route);
        response = answer instanceof Promise ? await answer : answer;
      } else if (page) {
        kind = "page";
        response = await page(query, request, connection);
      } else if (path.startsWith("/api/")) {
        kind = "api";
        response = await api(request, connection);
      } else response = notFound();
    } catch (error) {
      failure = request.signal.aborted && error === request.signal.reason ? clientLeft(error) : error;
      response = errorResponse(failure, requestId, request.method === "HEAD", (known) =>
        gate.refusalHeaders(known, request, connection),
      );
    }
    if (response.status >= 400 && request.body) await takeRest(request);
    if (hasSlowBody) connection.timeout(request, idleSeconds); // else the connection may stay idle for ever
    if (route && gate.finished) {
      const recorded = gate.finished({ request, connection, route, entry, response, failure });
      if (recorded) await recorded.catch((error) => log.error({ err: error }, "could not write the record"));
    }
    metrics.countRequest(kind, request.method, response.status, performance.now() - started);
    if (failure !== undefined || log.readsToo || (request.method !== "GET" && request.method !== "HEAD")) {
      response.headers.set("x-request-id", requestId); // whoever has the answer finds its line
      logRequest(log, { request, path, requestId, response, failure, started });
    }
    return response;
  };
}

/** What no answer reaches is no fault of the server's, and is not to be counted and logged as one. */
function clientLeft(cause: unknown): RegistryError {
  return new RegistryError("BODY_INCOMPLETE", "the client closed the connection before it was answered", {
    cause,
  });
}

function countFor({ countBytes }: Entry, metrics: Metrics): Context["count"] {
  if (!countBytes) return metrics.countBytes;
  return (bytesIn, bytesOut) => {
    metrics.countBytes(bytesIn, bytesOut);
    countBytes(bytesIn + bytesOut);
  };
}

function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const start = url.indexOf("/", 8); // behind http://
  const mark = url.indexOf("?", start);
  if (mark < 0) return { path: url.slice(start), query: noQuery };
  return { path: url.slice(start, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

function notFound(): Response {
  return jsonResponse(404, {
    errors: [{ code: "UNSUPPORTED", message: "there is nothing here: the registry's API begins at /v2/" }],
  });
}

interface Answered {
  readonly request: Request;
  readonly path: string;
  readonly requestId: string;
  readonly response: Response;
  readonly failure: unknown;
  readonly started: number;
}

function logRequest(log: Log, { request, path, requestId, response, failure, started }: Answered): void {
  const line = {
    requestId,
    method: request.method,
    path,
    status: response.status,
    ms: Math.round((performance.now() - started) * 10) / 10,
  };
  if (failure === undefined) log.info(line, "request");
  else if (isRegistryError(failure) && response.status < 500)
    log.info({ ...line, why: failure.message }, "refused");
  else log.error({ ...line, err: failure }, "failed");
}
