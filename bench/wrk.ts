import { attempt } from "../tests/fixtures/processes.ts";
import { programPath } from "../tests/programs.ts";

/** What wrk, with one thread, got from an address. */
export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
}

/** @throws when an answer was not 2xx, or a connection failed */
export async function wrk(
  url: string,
  connections: number,
  ms: number,
  headers: readonly string[] = [],
): Promise<WrkResult> {
  const accept = "Accept: application/vnd.oci.image.manifest.v1+json, */*";
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${Math.ceil(ms / 1000)}`,
    "--timeout",
    "20",
    "-H",
    accept,
    ...headers.flatMap((header) => ["-H", header]),
    url,
  ];
  const { stdout } = await attempt(programPath("wrk"), args);
  const [, requests, seconds] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? [];
  if (requests === undefined || /Non-2xx|Socket errors/.test(stdout))
    throw new Error(`wrk ${url}:\n${stdout}`);
  return { requests: Number(requests), seconds: Number(seconds) };
}
