import { blobDescriptor, type Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import type { RepositoryName } from "../oci/names.ts";
import { pullScope } from "../oci/scopes.ts";
import type { OperationOptions } from "../registry/registry.ts";
import { contentRangeOf, sizeOf } from "./ranges.ts";
import type { Question, Remote } from "./remote.ts";

/** Finds a blob. A registry whose HEAD does not tell the size is asked for the first byte. @throws BLOB_UNKNOWN */
export async function resolveBlob(
  remote: Remote,
  repository: RepositoryName,
  digest: Digest,
  options: OperationOptions = {},
): Promise<Descriptor> {
  const question = blobQuestion(remote, repository, digest, `find blob ${digest} in`);
  const head = await remote.ask({ ...question, method: "HEAD", accept: [200] }, options);
  const size = sizeOf(head.headers) ?? (await sizeByGet(remote, question, options));
  return blobDescriptor(digest, size);
}

async function sizeByGet(remote: Remote, question: Question, options: OperationOptions): Promise<number> {
  const answer = await remote.ask(
    {
      ...question,
      headers: { ...question.headers, range: "bytes=0-0" },
      accept: [200, 206, 416],
      streams: true,
    },
    options,
  );
  const { status, headers, body } = answer;
  const told = status === 200 ? sizeOf(headers) : contentRangeOf(headers)?.size;
  if (told !== undefined || status !== 200 || !body) {
    await body?.cancel();
    return told ?? 0; // only of an empty blob the first byte cannot be had
  }
  let counted = 0;
  for await (const piece of body) counted += piece.byteLength;
  return counted;
}

/** What to ask for a blob's bytes. */
export function blobQuestion(
  remote: Remote,
  repository: RepositoryName,
  digest: Digest,
  action: string,
): Question & { readonly method: "GET" } {
  return {
    method: "GET",
    to: `${repository}/blobs/${digest}`,
    headers: { "accept-encoding": "identity" },
    scopes: [pullScope(repository)],
    action: `${action} ${remote.nameOf(repository)}`,
    accept: [200],
    notFound: "BLOB_UNKNOWN",
    isAlwaysNotFound: true,
  };
}
