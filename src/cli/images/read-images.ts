import { hostPlatform, type Layout } from "../../layout/index.ts";
import type { Context, Surroundings } from "../command.ts";
import { type imagesFlag, openLocalImages } from "../locations/local-images.ts";
import { type LocalImage, readLocalImages } from "./local-image.ts";

type ImagesContext = Surroundings & Pick<Context<typeof imagesFlag>, "flags">;

/** The local images as they are now, and the layout that they are in. */
export async function readImages(
  context: ImagesContext,
): Promise<{ readonly layout: Layout; readonly images: readonly LocalImage[] }> {
  const layout = openLocalImages(context);
  return { layout, images: await readLocalImages(layout, hostPlatform, { signal: context.signal }) };
}
