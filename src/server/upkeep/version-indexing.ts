import type { Metadata } from "../../store/metadata/metadata.ts";

/** Indexes the versions of repositories whose rule is new, so that the next push there need not. */
export interface VersionIndexing {
  /** Looks at every repository again, because rules have changed. */
  restart(): void;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** How many repositories are looked at without a pause. */
const pageSize = 100;

/** Works a little at a time: requests go on between. Begins when it is told to. */
export function createVersionIndexing(
  metadata: Pick<Metadata, "listRepositories" | "indexVersions">,
  onError: (error: unknown) => void,
): VersionIndexing {
  const state = { stopped: false, round: 0 };
  const run = async (round: number): Promise<void> => {
    const isOver = () => state.stopped || state.round !== round;
    let after: string | undefined;
    await Bun.sleep(0);
    do {
      const page = await metadata.listRepositories({
        limit: pageSize,
        ...(after === undefined ? {} : { after }),
      });
      for (const repository of page.items) {
        while (!isOver() && !(await metadata.indexVersions(repository))) await Bun.sleep(0);
      }
      after = page.next;
      await Bun.sleep(0);
    } while (after !== undefined && !isOver());
  };
  let running: Promise<unknown> = Promise.resolve();
  return {
    restart() {
      running = Promise.all([running, run(++state.round).catch(onError)]);
    },
    async stop() {
      state.stopped = true;
      await running;
    },
  };
}
