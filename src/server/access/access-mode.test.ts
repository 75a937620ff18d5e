import { describe, expect, test } from "bun:test";
import { loadSettings } from "../settings/settings.ts";
import { type AccessMode, accessModeOf } from "./access-mode.ts";

const open: AccessMode = { kind: "open" };
const accounts: AccessMode = { kind: "accounts", publicPull: false };
const publicPull: AccessMode = { kind: "accounts", publicPull: true };

describe("accessModeOf", () => {
  test.each([
    ["127.0.0.1:5000", {}, open, accounts],
    ["0.0.0.0:5000", {}, accounts, accounts],
    ["127.0.0.1:5000", { "access.open": "none" }, accounts, accounts],
    ["0.0.0.0:5000", { "access.open": "push" }, open, open],
    ["127.0.0.1:5000", { "access.open": "pull" }, publicPull, publicPull],
    ["0.0.0.0:5000", { "access.open": "pull" }, publicPull, publicPull],
    ["127.0.0.1:5000", { "access.htpasswd": "/htpasswd" }, accounts, accounts],
  ])(
    "accessModeOf a registry on %s with %j is %j without accounts, else %j",
    (listen, flags, before, after) => {
      const settings = loadSettings({ listen, ...flags }, {});
      expect(accessModeOf(settings, false)).toEqual(before);
      expect(accessModeOf(settings, true)).toEqual(after);
    },
  );
});
