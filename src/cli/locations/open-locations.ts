import { resolve } from "node:path";
import { type LayoutArchive, openArchive } from "../../layout/archive/open.ts";
import { type Layout, openLayout } from "../../layout/layout.ts";
import { placeKey } from "../../layout/names.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { Place } from "../../registry/copy/place.ts";
import type { Context } from "../command.ts";
import { type imagesFlag, openLocalImages } from "./local-images.ts";
import {
  formatLocation,
  isArchive,
  type LayoutLocation,
  type LocalLocation,
  type Location,
  type LocationName,
  type PlaceLocation,
} from "./locations.ts";
import type { Remotes } from "./registries.ts";

type LocationContext = Context<typeof imagesFlag>;

/** A location whose images can be read. */
export interface OpenedSource extends OpenedDestination {
  readonly name: LocationName;
}

/** A location to which images can be copied one by one. */
export interface OpenedDestination extends Place {
  /** Whether it is on this machine's disk. */
  readonly isNear: boolean;
}

/**
 * Opens a location to read from. Where a path alone was given, it means the one image that is there.
 * @throws RegistryError what opening an archive throws; MANIFEST_UNKNOWN when there are none or several images
 */
export async function openSource(
  context: LocationContext,
  remotes: Remotes,
  location: Location,
): Promise<OpenedSource> {
  if (location.kind === "registry") {
    const { name } = location;
    const registry = remotes.client(name.registry, { repository: name.repository });
    return { registry, repository: name.repository, name, isNear: false };
  }
  const layout = isArchive(location)
    ? await openArchive(resolve(context.cwd, location.path))
    : layoutOf(context, location);
  const name = location.name ?? (await onlyImage(layout, location));
  return { registry: layout.at(name.registry), repository: name.repository, name, isNear: true };
}

function layoutOf(context: LocationContext, location: LocalLocation | LayoutLocation): Layout {
  return location.kind === "oci" ? openLayout(resolve(context.cwd, location.path)) : openLocalImages(context);
}

async function onlyImage(layout: Layout | LayoutArchive, location: Location): Promise<LocationName> {
  const entries = await layout.entries();
  const names = new Map(
    entries.map(({ registry, repository, tag, descriptor }): [string, LocationName] => [
      `${placeKey({ registry, repository })} ${descriptor.digest}`,
      { registry, repository, ...(tag ? { tag } : { digest: descriptor.digest }) },
    ]),
  );
  const [name, ...more] = names.values();
  if (name && more.length === 0) return name;
  const all = [...names.values()].map((one) => formatLocation(location, one)).slice(0, 10);
  throw new RegistryError(
    "MANIFEST_UNKNOWN",
    name
      ? `there are ${names.size} images in ${formatLocation(location)}: name one, such as ${all.join(", ")}`
      : `there is no image in ${formatLocation(location)}`,
  );
}

/** Opens a location to write to, under a name. */
export function openDestination(
  context: LocationContext,
  remotes: Remotes,
  location: PlaceLocation,
  { registry, repository }: LocationName,
): OpenedDestination {
  if (location.kind === "registry") {
    const remote = remotes.client(registry, { repository });
    return { registry: remote, repository, isNear: false };
  }
  return { registry: layoutOf(context, location).at(registry), repository, isNear: true };
}
