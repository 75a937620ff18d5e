import type { Client } from "../../client/client.ts";
import { parseRegistryName } from "../../oci/references.ts";
import { whileHeld } from "../../store/collection/holding.ts";
import { openStore } from "../../store/store.ts";
import type { Surroundings } from "../command.ts";
import { dataFolderOf, refuseForeignRoot, withDataFolder } from "../data-folders.ts";
import type { NamedRegistry } from "../import/registry-source.ts";
import { type HistoryReader, remoteHistory, storeHistory } from "./history.ts";

/** Where repositories are exported from. */
export interface ExportSource {
  /** The names in an archive begin with its name. */
  readonly registry: NamedRegistry;
  readonly readHistory: HistoryReader;
}

/** A running registry, whichever it is. */
export function remoteExportSource(client: Client, signal: AbortSignal): ExportSource {
  return { registry: client, readHistory: remoteHistory(client, signal) };
}

/** What a data folder's repositories are called in an archive, as nobody says under which name it is served. */
const folderName = parseRegistryName("localhost:5000");

/** Lets a data folder be exported, whose server may run meanwhile: nothing is collected until the end. */
export async function withStoreExportSource<T>(
  context: Surroundings & { readonly flags: { readonly data: string | undefined } },
  act: (source: ExportSource) => Promise<T>,
): Promise<T> {
  const folder = dataFolderOf(context);
  await refuseForeignRoot(folder);
  return withDataFolder(context, async ({ metadata }) => {
    const store = await openStore({ folder, isBeside: true });
    try {
      return await whileHeld(metadata.collection, "export", async (requireHold) => {
        const registry = { ...store.registry, registry: folderName };
        const done = await act({ registry, readHistory: storeHistory(store.metadata) });
        await requireHold();
        return done;
      });
    } finally {
      await store.close();
    }
  });
}
