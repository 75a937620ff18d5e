// `npm run bench`, `npm run bench -- push pull`: measures Berth and its peers side by side and prints a table.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../tests/fixtures/processes.ts";
import type { Bench } from "./measure.ts";
import { buildBerth, startBerth, startDockerRegistry } from "./peers.ts";
import { type Row, toMarkdown } from "./report.ts";
import { accountRows } from "./rows/accounts.ts";
import { clientRows } from "./rows/client.ts";
import { collectionRows } from "./rows/collection.ts";
import { imageRows } from "./rows/images.ts";
import { importRows } from "./rows/import.ts";
import { listRows } from "./rows/lists.ts";
import { processRows } from "./rows/process.ts";
import { pullRows } from "./rows/pull.ts";
import { pushRows } from "./rows/push.ts";
import { requestRows } from "./rows/requests.ts";
import { tagRows } from "./rows/tags.ts";

/** `process` stops the servers, so it is the last. */
const groups: Readonly<Record<string, (bench: Bench) => Promise<Row[]>>> = {
  push: pushRows,
  pull: pullRows,
  requests: requestRows,
  accounts: accountRows,
  images: imageRows,
  client: clientRows,
  lists: listRows,
  tags: tagRows,
  collection: collectionRows,
  import: importRows,
  process: processRows,
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in groups));
if (unknown !== undefined) {
  console.error(
    `there are no rows ${JSON.stringify(unknown)}: choose among ${Object.keys(groups).join(", ")}`,
  );
  process.exit(2);
}
const folder = await makeTemporaryFolder();
await buildBerth(join(folder, "program"));
const bench: Bench = {
  folder,
  berth: await startBerth(join(folder, "berth")),
  docker: await startDockerRegistry(join(folder, "docker")),
};
const rows: Row[] = [];
try {
  for (const [name, measure] of Object.entries(groups)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    console.error(`measuring ${name} ...`);
    rows.push(...(await measure(bench)));
  }
} finally {
  console.log(toMarkdown(rows));
  await Promise.all([bench.berth.process.stop(), bench.docker.process.stop()]);
  await rm(folder, { recursive: true, force: true });
}
const results = join(import.meta.dir, "results");
await mkdir(results, { recursive: true });
await writeFile(join(results, "latest.json"), `${JSON.stringify(rows, undefined, 1)}\n`);
