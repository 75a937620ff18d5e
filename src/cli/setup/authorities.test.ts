import { expect, test } from "bun:test";
import { RegistryError } from "../../oci/errors.ts";
import { authoritiesFor } from "./authorities.ts";

test("authoritiesFor passes over what may not be read, and what is no certificate", () => {
  const pem = "-----BEGIN CERTIFICATE-----\n";
  const found = authoritiesFor("r.lan:5000", {
    has: () => true,
    list: () => [],
    room: () => undefined,
    read(path) {
      if (path.startsWith("/etc/docker/")) throw new RegistryError("DENIED", "not allowed");
      return path.startsWith("/etc/containers/") ? pem : "";
    },
  });
  expect(found).toEqual([{ file: "/etc/containers/certs.d/r.lan:5000/ca.crt", text: pem }]);
});
