/** How docker names its own registry in files and to credential helpers. */
export const dockerHubKey = "https://index.docker.io/v1/";
/** All names of Docker Hub. */
const dockerHubHosts = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** The name under which docker keeps a login for a registry. */
export function helperKey(registry: string): string {
  return registry === "docker.io" ? dockerHubKey : registry;
}

/**
 * What a login for a repository may be kept under, the closest first: `quay.io/team/app`, `quay.io/team`, `quay.io`.
 * https://github.com/containers/image/blob/v5.34.0/docs/containers-auth.json.5.md
 */
export function keysFor(registry: string, repository: string | undefined): readonly string[] {
  const parts = repository === undefined ? [] : repository.split("/");
  const paths = parts.map((_, at) => `${registry}/${parts.slice(0, parts.length - at).join("/")}`);
  return [...paths, registry];
}

/** Whether a key of `auths` is meant for a registry, or for a part of one. */
export function isKeyOf(key: string, wanted: string): boolean {
  return registryOfKey(key) === wanted;
}

/**
 * The registry, or the part of one, that a key of `auths` is meant for: docker's older versions wrote addresses, such
 * as `https://registry.example.com/v1/`.
 */
export function registryOfKey(key: string): string {
  const [, scheme, host = "", path = ""] = /^(https?:\/\/)?([^/]*)\/?(.*?)\/*$/i.exec(key) ?? [];
  const name = dockerHubHosts.includes(host) ? "docker.io" : host;
  // A path is only meant where no address is: one of the API's versions is none.
  return scheme || path === "" || /^v[12]$/.test(path) ? name : `${name}/${path}`;
}
