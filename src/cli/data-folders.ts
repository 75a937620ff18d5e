import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { errorCode } from "../registry/files/durable.ts";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import { type Context, type Surroundings, UsageError } from "./command.ts";

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

/**
 * Refuses to let root make files in the data folder of another user's Berth, which could not use them. Metadata alone root
 * may write: SQLite makes what it adds beside them their owner's.
 * @param more what to say besides
 * @throws UsageError
 */
export async function refuseForeignRoot(folder: string, more = ""): Promise<void> {
  const owner = await stat(folder).then(
    ({ uid }) => uid,
    (error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
      return 0; // it is made now
    },
  );
  if (owner === 0 || process.getuid?.() !== 0) return;
  throw new UsageError(
    `the data folder ${folder} belongs to user ${owner}, whose Berth could not use what root writes into it: run this as ` +
      `that user (sudo -u '#${owner}')${more}`,
  );
}

/**
 * Lets a command work on a data folder. One that makes files in it calls {@link refuseForeignRoot} first.
 * @throws as `openDataFolder`
 */
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
