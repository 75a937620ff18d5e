import { blobDescriptor } from "../oci/descriptors.ts";
import { deleteScope } from "../oci/scopes.ts";
import type { BlobReader, BlobWriter } from "../registry/registry.ts";
import { resolveBlob } from "./blob-reads.ts";
import { openDownload } from "./downloads.ts";
import { pushBlob } from "./pushes.ts";
import type { Remote } from "./remote.ts";
import { abandonUpload, requestMount } from "./upload-requests.ts";

/** Blobs of a remote registry. */
export function createBlobs(remote: Remote): BlobReader & BlobWriter {
  return {
    async getBlob(repository, digest, options = {}) {
      const { size } = options;
      const descriptor =
        size === undefined
          ? await resolveBlob(remote, repository, digest, options)
          : blobDescriptor(digest, size);
      return {
        descriptor,
        source: {
          kind: "stream",
          open: (range, openOptions = {}) =>
            openDownload(remote, { repository, digest, size: descriptor.size, range }, openOptions),
        },
      };
    },

    resolveBlob: (repository, digest, options) => resolveBlob(remote, repository, digest, options),

    putBlob: (repository, expected, body, options = {}) =>
      pushBlob(remote, repository, expected, body, options),

    async mountBlob(repository, digest, options = {}) {
      const { from, mayRead, unlessDeleted } = options;
      // Rules of this side cannot be told to the other, so what it would do without them is not asked for.
      if (unlessDeleted || (mayRead && !(from && mayRead(from)))) return undefined;
      const session = await requestMount(remote, repository, digest, from, options);
      if (!session) return resolveBlob(remote, repository, digest, options);
      await abandonUpload(remote, session);
      return undefined;
    },

    async deleteBlob(repository, digest, options) {
      await remote.ask(
        {
          method: "DELETE",
          to: `${repository}/blobs/${digest}`,
          scopes: [deleteScope(repository)],
          action: `delete blob ${digest} of ${remote.nameOf(repository)}`,
          accept: [200, 202, 204],
          notFound: "BLOB_UNKNOWN",
          isAlwaysNotFound: true,
          isDoneWhenGone: true,
        },
        options,
      );
    },
  };
}
