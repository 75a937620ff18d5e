import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepAcmeCertificate } from "../../../tests/fixtures/certificates.ts";
import { waitForFirst } from "./first-order.ts";
import { type AcmeSettings, acmeTls } from "./settings.ts";

let folder: string;
const stopping = new AbortController();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-first-"));
});
afterEach(() => rm(folder, { recursive: true }));

const acmeAt = (port: number, rest: Partial<AcmeSettings> = {}): AcmeSettings => ({
  ...{ domains: ["registry.berth.test"], directory: `https://localhost:${port}/dir` },
  ...{ "agree-to-terms": true, listen: "127.0.0.1:0", ...rest },
});

/** Waits, and tells each warning to `onWarning` as it comes. */
function wait(
  acme: AcmeSettings,
  onWarning: (message: string) => void,
  signal = stopping.signal,
): Promise<void> {
  return waitForFirst(acmeTls(join(folder, "acme"), acme), acme, { warn: onWarning, signal }, 1);
}

describe("waitForFirst", () => {
  test("waitForFirst tries again after pauses that grow, until it is told to stop", async () => {
    const control = new AbortController();
    const pauses: number[] = [];
    const waiting = wait(
      acmeAt(1),
      (message) => {
        expect(message).toContain("nothing is served before there is a certificate");
        pauses.push(Math.round(60_000 * Number(/the next try is in (\S+) min$/.exec(message)?.[1])));
        if (pauses.length === 4) control.abort(new Error("told to stop"));
      },
      control.signal,
    );
    await expect(waiting).rejects.toThrow("told to stop");
    expect(pauses).toEqual([1, 3, 9, 27]);
  });

  test("waitForFirst takes the kept certificate as it is, and waits for another when that has expired", async () => {
    const [files, day] = [acmeTls(join(folder, "acme"), acmeAt(1)), 86_400_000];
    await keepAcmeCertificate(files, acmeAt(1), new Date());
    await wait(acmeAt(1), (message) => expect(message).toBeUndefined());
    await keepAcmeCertificate(files, acmeAt(1), new Date(Date.now() - 100 * day));
    const control = new AbortController();
    const waiting = wait(
      acmeAt(1),
      (message) => control.abort(new Error(`told: ${message}`)),
      control.signal,
    );
    await expect(waiting).rejects.toThrow("nothing is served before there is a certificate");
  });

  test("waitForFirst does not try again where a setting is wrong", async () => {
    const warnings: string[] = [];
    const waiting = wait(acmeAt(1, { "ca-file": "/no/such.pem" }), (message) => warnings.push(message));
    await expect(waiting).rejects.toThrow('tls.acme.ca-file is "/no/such.pem": ');
    expect(warnings).toEqual([]);
  });
});
