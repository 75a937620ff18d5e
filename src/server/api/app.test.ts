import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { RegistryError } from "../../oci/errors.ts";
import { errorResponse } from "../responses.ts";
import { createApi } from "./app.ts";
import { type Need, operation } from "./operations.ts";
import { repositoryName } from "./schemas.ts";

const connection = { timeout: () => {} };

/** An API of two operations, which records what it asked permission for. */
function makeApi(refuse = false) {
  const needs: Need[] = [];
  const read = operation({
    method: "GET",
    path: "/things/{id}",
    summary: "Reads a thing",
    params: z.strictObject({ id: z.string() }),
    query: z.strictObject({ repository: repositoryName, n: z.coerce.number().int().max(5).default(1) }),
    response: z.object({ id: z.string(), repository: z.string(), n: z.number(), actor: z.string() }),
    need: ({ query: { repository } }) => ({ kind: "repository", repository, action: "pull" }),
    run: ({ params, query }, { actor }) => ({ ...params, ...query, actor }),
  });
  const write = operation({
    method: "POST",
    path: "/things",
    summary: "Writes a thing",
    body: z.strictObject({ names: z.array(z.string()) }),
    need: () => ({ kind: "registry", action: "write" }),
    run: () => undefined,
  });
  const api = createApi([read, write], (_request, need) => {
    needs.push(need);
    if (refuse) throw new RegistryError("DENIED", "not you");
    return { actor: "somebody", mayRead: () => true };
  });
  const ask = async (path: string, init?: RequestInit): Promise<Response> => {
    const request = new Request(`http://127.0.0.1/api/v1${path}`, init);
    return api(request, connection).catch((error) => errorResponse(error, "1", false));
  };
  const post = (body: string, type = "application/json") =>
    ask("/things", { method: "POST", body, headers: { "content-type": type } });
  return { ask, post, needs };
}

describe("createApi", () => {
  test("createApi hands checked input to an operation and asks for what it needs", async () => {
    const { ask, needs } = makeApi();
    const answer = await ask("/things/a%2Fb?repository=gallery/ui&n=3");
    expect(await answer.json()).toEqual({ id: "a/b", repository: "gallery/ui", n: 3, actor: "somebody" });
    expect(needs).toEqual([{ kind: "repository", repository: "gallery/ui" as never, action: "pull" }]);
  });

  test.each([
    ["/things/1", "query.repository is missing"],
    ["/things/1?repository=Gallery", 'query.repository is \\"Gallery\\": invalid repository name'],
    ["/things/1?repository=a&n=6", 'query.n is \\"6\\"'],
    ["/things/1?repository=a&repository=b", "query.repository"],
    ["/things/1?repository=a&size=1", "size"],
  ])("createApi answers 400 with what is wrong when it is asked for %s", async (path, fault) => {
    const { ask, needs } = makeApi();
    const answer = await ask(path);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(fault);
    expect(needs).toEqual([]);
  });

  test.each([
    ["{", "application/json", 400, "no JSON"],
    ["{}", "application/json", 400, "body.names is missing"],
    ['{"names":[]}', "text/plain", 400, "Content-Type"],
    [`{"names":["${"x".repeat(1024 * 1024)}"]}`, "application/json", 413, "the most is 1048576"],
  ])("createApi refuses a wrong body", async (body, type, status, fault) => {
    const answer = await makeApi().post(body, type);
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(fault);
  });

  test("createApi answers 204 when an operation has nothing to say, and 404 when there is no operation", async () => {
    const { ask, post } = makeApi();
    expect((await post('{"names":["a"]}')).status).toBe(204);
    for (const path of ["", "/", "/things", "/nothing"]) expect((await ask(path)).status).toBe(404);
  });

  test("createApi runs nothing when the caller may not", async () => {
    const answer = await makeApi(true).post('{"names":[]}');
    expect(answer.status).toBe(403);
    expect(await answer.json()).toEqual({ errors: [{ code: "DENIED", message: "not you" }] });
  });

  test("createApi describes its operations by the schemas that check them", async () => {
    const { ask } = makeApi();
    const document = await (await ask("/openapi.json")).json();
    expect(document).toMatchObject({
      openapi: "3.1.1",
      paths: {
        "/api/v1/things/{id}": {
          get: {
            operationId: "getThingsId",
            parameters: [
              { name: "id", in: "path", required: true },
              { name: "repository", in: "query", required: true, schema: { type: "string" } },
              { name: "n", in: "query", required: false, schema: { type: "integer", maximum: 5 } },
            ],
            responses: { 200: { content: { "application/json": { schema: { type: "object" } } } } },
          },
        },
        "/api/v1/things": {
          post: {
            requestBody: { content: { "application/json": { schema: { required: ["names"] } } } },
            responses: { 204: {} },
          },
        },
      },
    });
  });
});
