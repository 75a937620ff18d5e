import { z } from "zod";
import { parseChallenges } from "../../client/challenges.ts";
import type { Client } from "../../client/client.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import { formatSize } from "../output/units.ts";
import type { Check, Facts, Result } from "./checks.ts";

/** What is asked for where nobody names a repository, and none is known. */
const probedRepository = "berth/doctor";

/** Whether it is a registry. */
export const apiCheck: Check = {
  name: "api",
  needs: ["authority", "clock"],
  run({ answer, scheme = "https", peer, authority, open, registry }): Result {
    const status = answer?.status ?? 0;
    const challenges = parseChallenges(answer?.headers.get("www-authenticate") ?? "");
    const isRegistry =
      status === 200 ? !/^text\/html/.test(answer?.headers.get("content-type") ?? "") : status === 401;
    if (!isRegistry || !peer)
      return { state: "wrong", says: `it answers ${status} at /v2/: is a registry there, at this address?` };
    const facts = { client: open({ scheme, peer, authority }) };
    const realm = challenges.find((one) => one.scheme === "bearer")?.parameters.get("realm");
    if (realm?.startsWith("http:") && scheme === "https") {
      const says = `it is a registry, but sends clients to ${realm} for tokens, with their passwords in plain HTTP`;
      return { state: "wrong", says, hint: `set public-url: https://${registry} on the server`, facts };
    }
    return { state: "fine", says: "it is a registry", facts };
  },
};

/** Whether it takes the login that is kept here. */
export const loginCheck: Check = {
  name: "login",
  needs: ["api"],
  async run({ client, answer, login, registry, signal }) {
    if (answer?.status === 200 && login === undefined)
      return { state: "fine", says: "nobody is asked for one" };
    const mend = `berth login ${registry}`;
    if (login === undefined && (await letsAllPull(opened(client), signal)))
      return { state: "fine", says: "nobody is asked for one to pull" };
    if (login === undefined) return { state: "wrong", says: "it wants a login, and none is kept here", mend };
    try {
      await opened(client).ping({ signal });
      return {
        state: "fine",
        says: login === "" ? "the token that is kept is taken" : `${login} is logged in`,
      };
    } catch (error) {
      if (!isRegistryError(error, "UNAUTHORIZED")) throw error;
      return { state: "wrong", says: "it does not take the login that is kept here", mend };
    }
  },
};

/** Whether who did not log in is shown repositories, or told that one is not there, which else they would have to log in for. */
async function letsAllPull(client: Client, signal: AbortSignal): Promise<boolean> {
  try {
    if ((await client.listRepositories({ limit: 1, signal })).items.length > 0) return true;
    await client.listTags(parseRepositoryName(probedRepository), { limit: 1, signal });
    return true;
  } catch (error) {
    if (isRegistryError(error, "NAME_UNKNOWN")) return true;
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** Whether an image can be pulled. */
export const pullCheck: Check = {
  name: "pull",
  needs: ["login"],
  async run({ client, repository: given, registry, login, signal }) {
    const remote = opened(client);
    const name = given ?? (await remote.listRepositories({ limit: 1, signal })).items[0];
    if (name === undefined) return { state: "fine", says: "there is nothing yet that could be pulled" };
    const repository = parseRepositoryName(name);
    const facts = { repository: name };
    try {
      const [tag] = (await remote.listTags(repository, { limit: 1, signal })).items;
      if (tag === undefined) return { state: "fine", says: `${name} may be read`, facts };
      await remote.resolveTag(repository, tag, { signal });
      return { state: "fine", says: `${name}:${tag} may be pulled`, facts };
    } catch (error) {
      if (isRegistryError(error, "NAME_UNKNOWN")) {
        if (login === undefined) return { state: "fine", says: `${name} is not there yet`, facts };
        // A registry does not tell who may not see a repository that there is one.
        const says = `${name} is not there yet, or may not be seen with this login`;
        return { state: "note", says, ...grant(registry, login, "reader", name), facts };
      }
      if (!isRefusal(error)) throw error;
      return {
        state: "wrong",
        says: `${name} may not be pulled`,
        ...grant(registry, login, "reader", name),
        facts,
      };
    }
  },
};

/** Whether an image could be pushed. What it begins it takes back, so that nothing is left. */
export const pushCheck: Check = {
  name: "push",
  needs: ["login"],
  async run({ client, repository: name = probedRepository, isRepositoryGiven, registry, login, signal }) {
    const remote = opened(client);
    const repository = parseRepositoryName(name);
    try {
      const { id } = await remote.startUpload(repository, { signal });
      await remote.cancelUpload(repository, id, { signal });
      return { state: "fine", says: `${name} may be pushed to` };
    } catch (error) {
      if (isRegistryError(error, "STORAGE_FULL"))
        return {
          state: "wrong",
          says: error.message,
          ...collect(registry),
        };
      if (!isRefusal(error)) throw error;
      const state = isRepositoryGiven ? "wrong" : "note";
      return { state, says: `${name} may not be pushed to`, ...grant(registry, login, "writer", name) };
    }
  },
};

type Mend = Pick<Result, "mend" | "hint">;

function isRefusal(error: unknown): boolean {
  return isRegistryError(error, "DENIED", "UNAUTHORIZED", "UNSUPPORTED");
}

function grant(registry: string, login: string | undefined, role: string, repository: string): Mend {
  const mend = `berth role grant ${registry} ${login || "WHO"} ${role} ${repository}`;
  return { mend, hint: "by an administrator" };
}

function collect(registry: string): Mend {
  return { mend: `berth gc run ${registry}`, hint: "by an administrator, or make room on the server's disk" };
}

const diskAnswer = z.object({ freeBytes: z.number(), totalBytes: z.number() });
/** Less than this is little. */
const littleBytes = 1024 ** 3;
const littlePart = 0.05;

/** Whether the server's disk has room. */
export const diskCheck: Check = {
  name: "disk",
  needs: ["login"],
  async run({ client, registry, signal }) {
    const answer = await askDisk(opened(client), signal);
    if (!answer) return { state: "untried", says: "only an administrator of a Berth may ask" };
    const { freeBytes, totalBytes } = answer;
    const says = `${formatSize(freeBytes)} of ${formatSize(totalBytes)} are free`;
    if (freeBytes > littleBytes && freeBytes / totalBytes > littlePart) return { state: "fine", says };
    return { state: "wrong", says, ...collect(registry) };
  },
};

async function askDisk(client: Client, signal: AbortSignal): Promise<z.infer<typeof diskAnswer> | undefined> {
  try {
    const answer = await client.manage({
      method: "GET",
      path: "/disk",
      action: "ask for the server's disk",
      signal,
    });
    return diskAnswer.parse(answer);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

function opened(client: Facts["client"]): Client {
  if (client) return client;
  throw new Error("there is no registry"); // the API's check is needed before
}
