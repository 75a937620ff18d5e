import { expect, test } from "bun:test";
import { createMemoryRegistry } from "../registry/memory.ts";
import { openGate } from "./access/gate.ts";
import { idleSeconds } from "./context.ts";
import { createHandler } from "./handler.ts";
import { createLog } from "./log.ts";
import { createMetrics } from "./metrics.ts";

test("createHandler lets a body come slowly, and a connection not stay idle for ever behind it", async () => {
  const handle = createHandler({
    gate: openGate(createMemoryRegistry()),
    pages: {},
    api: async () => new Response(),
    latestOf: async () => undefined,
    prefixOf: () => "",
    log: await createLog("silent", false),
    metrics: createMetrics(),
  });
  const times: number[] = [];
  const connection = { timeout: (_request: Request, seconds: number) => times.push(seconds) };
  const ask = (method: string, path: string, body?: Uint8Array<ArrayBuffer>) =>
    handle(new Request(`http://x${path}`, { method, ...(body && { body }) }), connection);

  const begun = await ask("POST", "/v2/a/blobs/uploads/");
  expect(times).toEqual([]);
  const place = begun.headers.get("location") ?? "";
  expect((await ask("PATCH", place, new Uint8Array(100_000))).status).toBe(202);
  expect(times).toEqual([0, idleSeconds]);
  expect((await ask("PUT", `${place}?digest=sha256:${"0".repeat(64)}`)).status).toBe(400);
  expect((await ask("PATCH", place, new Uint8Array(100_000))).status).toBe(404);
  expect(times.at(-1)).toBe(idleSeconds);
});
