import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { openBlob } from "../blobs.ts";
import { createLimiter } from "../concurrency.ts";
import type { OperationOptions } from "../registry.ts";
import { createVerifier } from "../verification.ts";
import { forkSignal, isFound, type Run } from "./run.ts";

/** Copies blobs, each once. */
export interface BlobCopier {
  copyBlob(descriptor: Descriptor): Promise<void>;
  /** Bytes of the blobs that were sent. */
  bytesSent(): number;
}

/** @param concurrency how many blobs are sent at a time */
export function createBlobCopier(run: Run, concurrency: number): BlobCopier {
  const limit = createLimiter(concurrency);
  const blobs = new Map<Digest, Promise<void>>();
  let sent = 0;

  const copyOnce = async (descriptor: Descriptor): Promise<void> => {
    const { digest, size } = descriptor;
    run.announce(descriptor);
    if (await isAtDestination(run, digest)) return run.report({ state: "exists", descriptor });
    const mounted = await mount(run, digest);
    if (mounted) {
      const { from } = mounted;
      return run.report(from ? { state: "mounted", descriptor, from } : { state: "exists", descriptor });
    }
    await limit(() => sendBlob(run, descriptor));
    sent += size;
    run.report({ state: "done", descriptor });
  };

  return {
    bytesSent: () => sent,
    copyBlob(descriptor) {
      const known = blobs.get(descriptor.digest);
      if (known) return known;
      const copied = copyOnce(descriptor);
      blobs.set(descriptor.digest, copied);
      return copied;
    },
  };
}

function isAtDestination(run: Run, digest: Digest): Promise<boolean> {
  const { destination } = run;
  return isFound(
    run.request((signal) => destination.registry.resolveBlob(destination.repository, digest, { signal })),
  );
}

/** Resolves to the repository that it was mounted from, if it could be; that is `undefined` when it was anywhere. */
async function mount(
  run: Run,
  digest: Digest,
): Promise<{ readonly from: RepositoryName | undefined } | undefined> {
  const { registry, repository } = run.destination;
  for (const from of run.mountsFrom(digest)) {
    const mounted = await run.request((signal) =>
      registry.mountBlob(repository, digest, { ...(from ? { from } : {}), signal }),
    );
    if (mounted) return { from };
  }
  return undefined;
}

function wrongBytes(error: RegistryError): RegistryError {
  return new RegistryError("DIGEST_INVALID", `the source sent other bytes: ${error.message}`, {
    cause: error,
  });
}

async function sendBlob(run: Run, descriptor: Descriptor): Promise<void> {
  const { source, destination, report } = run;
  run.signal.throwIfAborted();
  const signal = forkSignal(run.signal);
  const { digest, size } = descriptor;
  const handle = await source.registry.getBlob(source.repository, digest, { signal, size });
  // The digest is checked once, by where the blob goes to: every registry does that.
  const verifier = createVerifier(descriptor, {
    signal,
    checksDigest: false,
    onBytes: (bytes) => report({ state: "bytes", descriptor, bytes }),
  });
  const reopen = async (offset: number, options: OperationOptions = { signal }) =>
    verifier.pass(
      await openBlob(handle, { first: offset, last: size - 1 }, { ...options, isUnverified: true }),
      offset,
    );
  try {
    // Opened when it is read: a destination that has a part of it already asks for the rest alone.
    const body = verifier.pass(() => openBlob(handle, undefined, { signal, isUnverified: true }));
    const options = {
      signal,
      reopen,
      isHandedOver: true,
      ...(handle.source.kind === "file" ? { file: handle.source.path } : {}),
    };
    await destination.registry.putBlob(destination.repository, { digest, size }, body, options);
  } catch (error) {
    // The destination may only have seen that the bytes stopped.
    throw verifier.failure() ?? (isRegistryError(error, "DIGEST_INVALID") ? wrongBytes(error) : error);
  } finally {
    verifier.stop();
  }
}
