import { Hono } from "hono";
import manifest from "../../../package.json" with { type: "json" };
import { RegistryError } from "../../oci/errors.ts";
import type { Connection } from "../context.ts";
import { readBody } from "../distribution/bodies.ts";
import { jsonResponse } from "../responses.ts";
import { describeOperations } from "./openapi.ts";
import type { Authorize, Operation } from "./operations.ts";

/** The most bytes of a request's body. */
const maxBody = 1024 * 1024;

/** Answers requests below `/api/v1`. Rejects with what went wrong. */
export type Api = (request: Request, connection: Connection) => Promise<Response>;

/** Routes a table of operations, and `GET /api/v1/openapi.json`, which describes them. */
export function createApi(operations: readonly Operation[], authorize: Authorize): Api {
  const app = new Hono<{ Bindings: Connection }>().basePath("/api/v1");
  for (const operation of operations) {
    const path = operation.path.replace(/\{(\w+)\}/g, ":$1");
    app.on(operation.method, path, async ({ req, env: connection }) => {
      const raw = {
        params: req.param(),
        query: queryOf(req.raw.url),
        body: operation.body ? await bodyOf(req.raw) : undefined,
      };
      const keepOpen = () => connection.timeout(req.raw, 0);
      return operation.answer(raw, req.raw, {
        authorize: (request, need) => authorize(request, need, connection),
        keepOpen,
      });
    });
  }
  app.get("/openapi.json", () => jsonResponse(200, describeOperations(operations, manifest.version)));
  app.notFound(({ req }) => {
    const message = `there is no operation ${req.method} ${req.path}: /api/v1/openapi.json lists what there is`;
    return jsonResponse(404, { errors: [{ code: "UNSUPPORTED", message }] });
  });
  app.onError((error) => {
    throw error; // the server's handler turns it into a response and logs it
  });
  return async (request, connection) => app.fetch(request, connection);
}

function queryOf(url: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const mark = url.indexOf("?");
  if (mark < 0) return query;
  for (const [name, value] of new URLSearchParams(url.slice(mark + 1))) {
    const before = Object.hasOwn(query, name) ? query[name] : undefined;
    query[name] = before === undefined ? value : [before, value].flat();
  }
  return query;
}

/** @throws RegistryError REQUEST_INVALID; MANIFEST_TOO_LARGE; BODY_INCOMPLETE */
async function bodyOf(request: Request): Promise<unknown> {
  // Also keeps out forms of other sites, which a browser sends without asking.
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new RegistryError("REQUEST_INVALID", "the body must be JSON with Content-Type: application/json");
  }
  const bytes = await readBody(request, maxBody, "the body");
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new RegistryError("REQUEST_INVALID", `the body is no JSON: ${String(cause)}`, { cause });
  }
}
