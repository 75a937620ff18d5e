import { createClient, createTransport, type Transport } from "../../src/client/index.ts";
import { createTransport as createFetchTransport } from "../../src/client/transport-fetch.ts";
import { describeRegistryContract } from "../../src/registry/contract-suite.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { serveRegistry } from "../fixtures/served-registry.ts";

/** What HTTP has no words for. */
const untold = {
  "mountBlob leaves out repositories when mayRead refuses them":
    "a function of the caller stays with the caller",
  "mountBlob does not bring a deleted blob back when unlessDeleted is set":
    "a mount cannot be asked for like this",
  "mountBlob brings a deleted blob back when unlessDeleted is not set": "its last part sets unlessDeleted",
  "suggestTags gives near tags first, then the newest, at most five": "suggestions stand in messages",
  "suggestTags gives the tags that are there when none is near": "suggestions stand in messages",
  "suggestRepositories gives near repositories that hold a manifest, at most five":
    "suggestions stand in messages",
};

/** Berth answers HEAD by linking what another repository has: to the suite, a blob that is in no other place is there. */
const withoutLinking = (registry: Registry): Registry => ({
  ...registry,
  mountBlob: async (repository, digest, options) =>
    options?.unlessDeleted ? undefined : registry.mountBlob(repository, digest, options),
});

/** Berth's server of a test's own, and a client of it. */
const atBerth = (makeTransport: () => Transport) => async () => {
  const served = await serveRegistry(withoutLinking);
  const transport = makeTransport();
  return {
    registry: createClient(served.host, { transport }),
    async dispose() {
      transport.close();
      const uploads = await served.stop();
      if (uploads.length > 0) throw new Error(`upload sessions are left: ${uploads.join(", ")}`);
    },
  };
};

describeRegistryContract("the client over HTTP to Berth", atBerth(createTransport), {
  isRemote: true,
  except: untold,
  runs: 15,
});

describeRegistryContract("the client over fetch, as in browsers, to Berth", atBerth(createFetchTransport), {
  isRemote: true,
  except: untold,
  runs: 5,
});
