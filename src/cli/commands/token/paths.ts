import { z } from "zod";
import type { Management } from "../../management/management.ts";

/** Where the tokens of an owner are; of who is logged in, if none is named. */
export async function tokensPath(
  { ask }: Management,
  named: string | undefined,
): Promise<{ readonly owner: string; readonly path: `/${string}` }> {
  const who = z.object({ name: z.string() });
  const owner =
    named ?? (await ask({ method: "GET", path: "/whoami", action: "ask who is logged in" }, who)).name;
  return { owner, path: `/accounts/${encodeURIComponent(owner)}/tokens` };
}
