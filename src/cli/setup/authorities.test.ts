import { expect, test } from "bun:test";
import { authoritiesFor } from "./authorities.ts";

test("authoritiesFor passes over what may not be read, and what is no certificate", () => {
  const pem = "-----BEGIN CERTIFICATE-----\n";
  const found = authoritiesFor("r.lan:5000", {
    has: () => true,
    read(path) {
      if (path.startsWith("/etc/docker/")) throw Object.assign(new Error("not allowed"), { code: "EACCES" });
      return path.startsWith("/etc/containers/") ? pem : "";
    },
  });
  expect(found).toEqual([{ file: "/etc/containers/certs.d/r.lan:5000/ca.crt", text: pem }]);
});
