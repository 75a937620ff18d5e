import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../../tests/fixtures/processes.ts";
import { parseRegistryName } from "../oci/references.ts";
import { describeRegistryContract } from "../registry/contract-suite.ts";
import { openLayout } from "./layout.ts";

describeRegistryContract("a layout in a folder", async () => {
  const folder = await makeTemporaryFolder();
  const layout = openLayout(folder);
  return {
    registry: layout.at(parseRegistryName("registry.example.com:5000")),
    async dispose() {
      const own = await readdir(join(folder, ".berth"), { recursive: true }).catch(() => []);
      const left = own.filter((name) => name !== "links.json");
      await rm(folder, { recursive: true });
      if (left.length > 0) throw new Error(`files are left: ${left.join(", ")}`);
    },
  };
});
