import { afterAll, beforeAll, describe } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../../src/client/index.ts";
import { describeRegistryContract } from "../../src/registry/contract-suite.ts";
import { type RunningRegistry, startDockerRegistry } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

/** What docker-registry 2.8 does in another way, or HTTP has no words for. */
const except = {
  "putBlob stores a blob under sha512 when that is its digest's algorithm": "it knows sha256 alone",
  "deleteBlob names the manifest when one of the repository needs the blob": "it deletes what is needed",
  "mountBlob links a blob when `from` has it, and makes the repository": "only a manifest makes one there",
  "mountBlob looks anywhere when there is no `from`": "it looks nowhere then",
  "mountBlob leaves out repositories when mayRead refuses them": "a caller's function stays with the caller",
  "mountBlob does not bring a deleted blob back when unlessDeleted is set": "HTTP has no word for it",
  "mountBlob brings a deleted blob back when unlessDeleted is not set": "its last part sets unlessDeleted",
  "finishUpload takes sha512 and sha256, hinted at or not": "it knows sha256 alone",
  "appendUpload keeps what came when the body breaks off, and throws its error on":
    "it forgets such a session",
  "appendUpload keeps what came when the signal aborts": "it forgets such a session",
  "appendUpload keeps what came when there are fewer bytes than announced": "it forgets such a session",
  "appendUpload keeps nothing of the excess when there are more bytes than announced":
    "it forgets such a session",
  "appendUpload goes on from the offset when bodies break off anywhere": "it forgets such a session",
  "putManifest takes the type it is sent with when the manifest names none": "it refuses such a manifest",
  "putManifest stores a manifest under sha512 when it is pushed by that, also for its tags":
    "it knows sha256 alone",
  "putManifest refuses bytes when their digest is another": "a repository without manifests is unknown there",
  "getManifest and resolveManifest tell an unknown repository from an unknown manifest":
    "it says the same of both",
  "putManifest names only the missing ones when some are there":
    "a repository without manifests is unknown there",
  "putManifest needs no foreign layers and no subject": "it wants foreign layers too",
  "putManifest quotes both sizes when a descriptor has another than the blob": "it does not compare sizes",
  "putManifest stores an index when its children are there, nested ones too": "one of them is under sha512",
  "putManifest refuses an index when a child is no manifest of the repository": "it takes any index",
  "putManifest quotes both sizes when a child's is another": "it does not compare sizes",
  "putManifest takes blobs as children of an index when their type is not a manifest's": "it takes any index",
  "deleteManifest drops its tags and leaves others":
    "a repository that is not there has unknown manifests there",
  "deleteManifest names the index when one of the repository lists the manifest": "it deletes what is needed",
  "getTag, resolveTag and deleteTag tell an unknown repository from an unknown tag": "it deletes no tags",
  "deleteTag leaves the manifest and its other tags": "it deletes no tags",
  "listRepositories shows a repository while it holds a manifest": "it lists those without one too",
  "listRepositories gives pages in the order of bytes, behind any text": "it lists none without a layer",
  "suggestTags gives near tags first, then the newest, at most five": "suggestions stand in messages",
  "suggestTags gives the tags that are there when none is near": "suggestions stand in messages",
  "suggestRepositories gives near repositories that hold a manifest, at most five":
    "suggestions stand in messages",
  "putManifest and deleteBlob leave no manifest without its blobs when they meet":
    "it deletes what is needed",
  "a registry answers as the one in memory does when anything is done in any order": "all of the above",
};

describe.skipIf(!isAvailable("docker-registry"))("docker-registry", () => {
  let peer: RunningRegistry;
  beforeAll(async () => {
    peer = await startDockerRegistry();
  });
  afterAll(() => peer.stop());

  describeRegistryContract(
    "the client over HTTP to docker-registry",
    () => {
      const client = createClient(peer.host);
      return {
        registry: client,
        async dispose() {
          client.close();
          // It keeps nothing in memory. A session that broke can be neither resumed nor cancelled there.
          await rm(join(peer.data, "docker"), { recursive: true, force: true });
        },
      };
    },
    { isRemote: true, except, runs: 10 },
  );
});
