import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Layout, openLayout } from "../../layout/layout.ts";
import type { Context, Surroundings } from "../command.ts";

/** The flag of every command that works with local images. */
export const imagesFlag = {
  images: {
    type: "text",
    value: "FOLDER",
    summary: "where local images are kept, as an OCI image layout",
    otherwise: "~/.local/share/berth/images",
    completion: "folder",
  },
} as const;

type ImagesContext = Surroundings & Pick<Context<typeof imagesFlag>, "flags">;

/** The local images: an OCI image layout, by the flag, BERTH_IMAGES, or below XDG_DATA_HOME. */
export function openLocalImages({ flags, env, cwd }: ImagesContext): Layout {
  return openLayout(resolve(cwd, flags.images ?? imagesFolder(env)));
}

/** Where local images are when nobody says another folder. */
export function imagesFolder(env: Surroundings["env"]): string {
  const data = env.XDG_DATA_HOME || join(env.HOME || homedir(), ".local", "share");
  return env.BERTH_IMAGES || join(data, "berth", "images");
}
