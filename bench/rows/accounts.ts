import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pushImage } from "../../tests/fixtures/pushes.ts";
import type { Bench } from "../measure.ts";
import { type Peer, startBerth } from "../peers.ts";
import type { Row } from "../report.ts";
import { wrk } from "../wrk.ts";

const repository = "bench/tag";
const path = `/v2/${repository}/manifests/latest`;
const password = "a password for measuring";
const rounds = 5;
const roundMs = 3000;

/** What accounts cost: a manifest by tag with a bearer token, beside the open registry. */
export async function accountRows({ folder, berth }: Bench): Promise<Row[]> {
  const file = join(folder, "password");
  await writeFile(file, password);
  await writeFile(join(folder, "accounts.yaml"), JSON.stringify({ access: { "admin-password-file": file } })); // JSON is YAML
  const args = ["--open=none", "--config", join(folder, "accounts.yaml")];
  const accounts: Peer = {
    ...(await startBerth(join(folder, "accounts"), args)),
    name: "berth with accounts",
  };
  try {
    const basic = `Basic ${btoa(`admin:${password}`)}`;
    await pushImage(berth.url, repository, "latest", [20_000]);
    await pushImage(accounts.url, repository, "latest", [20_000], basic);
    const answer = await fetch(`${accounts.url}/token?scope=repository:${repository}:pull`, {
      headers: { authorization: basic },
    });
    const { token } = (await answer.json()) as { token: string }; // what the token service promises
    const peers = [
      { peer: berth.name, url: berth.url, headers: [] },
      { peer: accounts.name, url: accounts.url, headers: [`Authorization: Bearer ${token}`] },
    ].map((one) => ({ ...one, samples: [] as number[] }));
    for (let round = 0; round < rounds; round++) {
      for (const { url, headers, samples } of peers) {
        const { requests, seconds } = await wrk(url + path, 32, roundMs, headers);
        samples.push(requests / seconds);
      }
    }
    const figures = peers.map(({ peer, samples }) => ({ peer, samples }));
    return [
      {
        name: "manifest by tag with a bearer token (wrk -t1 -c32)",
        unit: "req/s",
        higherIsBetter: true,
        figures,
      },
    ];
  } finally {
    await accounts.process.stop();
  }
}
