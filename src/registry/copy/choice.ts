import type { Platform } from "../../oci/descriptors.ts";
import { RegistryError } from "../../oci/errors.ts";
import { type ImageManifest, isIndex, maxManifestSize, parseManifest } from "../../oci/manifests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { openBlob } from "../blobs.ts";
import { choosePlatforms, findPlatform, missingPlatform } from "../platforms.ts";
import type { StoredManifest } from "../registry.ts";
import { bytesOf } from "../streams.ts";
import { createVerifier, verifyManifest } from "../verification.ts";
import type { Place } from "./place.ts";

/** The manifest that is copied. */
export interface Top {
  readonly stored: StoredManifest;
  /** Whether it was made for this copy, so that the source does not have it. */
  readonly isMade: boolean;
}

/**
 * Reduces what was found to the platforms that are wanted.
 * @throws RegistryError MANIFEST_UNKNOWN when one is not there
 */
export async function choose(
  source: Place,
  stored: StoredManifest,
  wanted: readonly Platform[],
  signal: AbortSignal,
): Promise<Top> {
  if (wanted.length === 0) return { stored, isMade: false };
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (!isIndex(manifest)) {
    await checkPlatform(source, stored, manifest, wanted, signal);
    return { stored, isMade: false };
  }
  const choice = choosePlatforms(stored, manifest, wanted);
  if (choice.kind === "all") return { stored, isMade: false };
  if (choice.kind === "some") return { stored: choice.index, isMade: true };
  const { child } = choice;
  const chosen = await source.registry.getManifest(source.repository, child.digest, { signal });
  verifyManifest(chosen, child);
  return { stored: chosen, isMade: false };
}

async function checkPlatform(
  source: Place,
  { descriptor }: StoredManifest,
  manifest: ImageManifest,
  wanted: readonly Platform[],
  signal: AbortSignal,
): Promise<void> {
  const platform = await platformOf(source, manifest, signal);
  for (const each of wanted) {
    if (findPlatform([platform], each) === undefined) throw missingPlatform(descriptor, each, [platform]);
  }
}

/** The platform that an image's config names; `undefined` when the config is not an image's. */
async function platformOf(
  { registry, repository }: Place,
  { config }: ImageManifest,
  signal: AbortSignal,
): Promise<Platform | undefined> {
  if (config.mediaType !== mediaTypes.ociConfig && config.mediaType !== mediaTypes.dockerConfig)
    return undefined;
  if (config.size > maxManifestSize) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `config ${config.digest} has ${config.size} bytes, too many to read`,
    );
  }
  const handle = await registry.getBlob(repository, config.digest, { signal, size: config.size });
  const body = createVerifier(config, { signal }).pass(await openBlob(handle, undefined, { signal }));
  const text = new TextDecoder().decode(await bytesOf(body));
  try {
    return asPlatform(JSON.parse(text));
  } catch (cause) {
    throw new RegistryError("MANIFEST_INVALID", `config ${config.digest} is not JSON`, { cause });
  }
}

function asPlatform(config: Readonly<Record<string, unknown>> | null): Platform {
  const text = (key: string): string => (typeof config?.[key] === "string" ? config[key] : "");
  const features = config?.["os.features"];
  return {
    os: text("os"),
    architecture: text("architecture"),
    variant: text("variant"),
    "os.version": text("os.version"),
    "os.features": Array.isArray(features) ? features : [],
  };
}
