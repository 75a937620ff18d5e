import { describe, expect, test } from "bun:test";
import { allowOrigins } from "./cors.ts";

const page = "https://ui.example.com";

function ask(origins: readonly string[], method: string, headers: Readonly<Record<string, string>>) {
  const handle = allowOrigins(async () => new Response("answer", { headers: { vary: "Accept" } }), origins);
  return handle(new Request("http://berth/v2/", { method, headers }), { timeout: () => {} });
}

describe("allowOrigins", () => {
  test.each([[[page]], [["*"]]])(
    "shows a page that %j names the answer and what stands in its head",
    async (origins) => {
      const { headers } = await ask(origins, "GET", { origin: page });
      expect(headers.get("access-control-allow-origin")).toBe(page);
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      expect(headers.get("vary")).toBe("Accept, Origin");
      const exposed = headers.get("access-control-expose-headers")?.split(", ");
      for (const name of [
        "docker-content-digest",
        "link",
        "location",
        "oci-subject",
        "www-authenticate",
        "warning",
      ]) {
        expect(exposed).toContain(name);
      }
    },
  );

  test("says beforehand what a page may send", async () => {
    const response = await ask([page], "OPTIONS", {
      origin: page,
      "access-control-request-method": "PUT",
      "access-control-request-headers": "authorization,content-type",
    });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(response.headers.get("access-control-allow-origin")).toBe(page);
    expect(response.headers.get("access-control-allow-methods")).toContain("PATCH");
    expect(response.headers.get("access-control-allow-headers")).toBe("authorization,content-type");
  });

  test.each(["OPTIONS", "GET"])("tells other pages nothing for %s", async (method) => {
    const asked = { origin: "https://evil.example", "access-control-request-method": "PUT" };
    const { headers } = await ask([page], method, asked);
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("vary")).toBe("Accept, Origin");
  });

  test("changes nothing when no origin is named", async () => {
    const { headers } = await ask([], "GET", { origin: page });
    expect(headers.get("vary")).toBe("Accept");
  });
});
