import type { Digest } from "../../oci/digests.ts";
import { openBlob } from "../blobs.ts";
import type { Registry } from "../registry.ts";
import { bytesOf } from "../streams.ts";
import { bodyOf } from "./fixtures.ts";

/** What a faulty registry makes of the bytes of a blob or manifest. */
export type Fault = (bytes: Uint8Array) => readonly (Uint8Array | Error)[];

/** What can go wrong with bytes on their way. */
export const faults = {
  "wrong bytes": (bytes) => [bytes.map((byte, at) => (at === bytes.byteLength >> 1 ? byte ^ 1 : byte))],
  "short stream": (bytes) => [bytes.subarray(0, -1)],
  "no bytes": () => [],
  "long stream": (bytes) => [bytes, bytes.subarray(0, 1)],
  "broken stream": (bytes) => [bytes.subarray(0, bytes.byteLength >> 1), new Error("the line is dead")],
} as const satisfies Record<string, Fault>;

/** A registry that answers as another, but sends one blob or manifest with a fault. */
export function withFault(registry: Registry, faulty: Digest, fault: Fault): Registry {
  return {
    ...registry,
    async getBlob(repository, digest, options) {
      const handle = await registry.getBlob(repository, digest, options);
      if (digest !== faulty) return handle;
      const open = async () => bodyOf(...fault(await bytesOf(await openBlob(handle))));
      return { ...handle, source: { kind: "stream", open } };
    },
    async getManifest(repository, digest, options) {
      const { descriptor, bytes } = await registry.getManifest(repository, digest, options);
      if (digest !== faulty) return { descriptor, bytes };
      return { descriptor, bytes: await bytesOf(bodyOf(...fault(bytes))) };
    },
    async getTag(repository, tag, options) {
      const { descriptor, bytes } = await registry.getTag(repository, tag, options);
      if (descriptor.digest !== faulty) return { descriptor, bytes };
      return { descriptor, bytes: await bytesOf(bodyOf(...fault(bytes))) };
    },
  };
}

/** What was asked of a registry that is listened to: the method, and the digest or tags it was about. */
export interface Call {
  readonly method: keyof Registry;
  readonly subject: unknown;
}

/** A registry that answers as another and notes what it is asked. */
export function withCalls(registry: Registry): { readonly registry: Registry; readonly calls: Call[] } {
  const calls: Call[] = [];
  const listened = new Proxy(registry, {
    get(target, method: keyof Registry) {
      const answer = target[method] as (...args: unknown[]) => unknown; // safe: all that a Registry has are methods
      return (...args: unknown[]) => {
        calls.push({ method, subject: args[1] });
        return answer(...args);
      };
    },
  });
  return { registry: listened, calls };
}

/** A registry that answers as another, each time after some turns of the event loop. */
export function withDelays(registry: Registry, turns: () => number): Registry {
  return new Proxy(registry, {
    get(target, method: keyof Registry) {
      const answer = target[method] as (...args: unknown[]) => unknown; // safe: all that a Registry has are methods
      return async (...args: unknown[]) => {
        for (let left = turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
        return answer(...args);
      };
    },
  });
}
