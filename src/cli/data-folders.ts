import { resolve } from "node:path";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import type { Context, Surroundings } from "./command.ts";

/** The flag that says which data folder a command works on; its server may be running. */
export const dataFlag = {
  data: {
    type: "text",
    value: "FOLDER",
    summary: "the server's data",
    otherwise: "./berth-data",
    completion: "folder",
  },
} as const;

type DataContext = Surroundings & Pick<Context<typeof dataFlag>, "flags">;

/** The folder that the flag says. */
export function dataFolderOf({ flags, env, cwd }: DataContext): string {
  return resolve(cwd, flags.data ?? env.BERTH_DATA ?? "./berth-data");
}

/** Lets a command work on a data folder. @throws as `openDataFolder` */
export async function withDataFolder<T>(
  context: DataContext,
  act: (opened: DataFolder) => Promise<T>,
): Promise<T> {
  const opened = await openDataFolder(dataFolderOf(context));
  try {
    return await act(opened);
  } finally {
    await opened.close();
  }
}
