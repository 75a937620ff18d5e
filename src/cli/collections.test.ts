import { describe, expect, test } from "bun:test";
import { bytesFor, describeBytes } from "../registry/contract/fixtures.ts";
import { createCollections } from "./collections.ts";

const [one, two] = [describeBytes(bytesFor(1)), describeBytes(bytesFor(2))];
const mib = 1024 * 1024;

describe("createCollections", () => {
  test("createCollections collects every 32 MiB, of all blobs together", () => {
    let collected = 0;
    const onEvent = createCollections(() => collected++);
    onEvent({ state: "waiting", descriptor: one });
    for (let bytes = mib; bytes <= 31 * mib; bytes += mib)
      onEvent({ state: "bytes", descriptor: one, bytes });
    expect(collected).toBe(0);
    onEvent({ state: "bytes", descriptor: two, bytes: mib });
    expect(collected).toBe(1);
    onEvent({ state: "done", descriptor: two });
    onEvent({ state: "bytes", descriptor: one, bytes: 62 * mib });
    expect(collected).toBe(1);
    onEvent({ state: "bytes", descriptor: one, bytes: 100 * mib });
    expect(collected).toBe(2);
  });
});
