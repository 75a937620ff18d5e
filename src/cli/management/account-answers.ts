import { z } from "zod";

// What the operations of accounts answer, as far as commands print it; a newer Berth may say more.

export const accountAnswer = z.object({
  name: z.string(),
  kind: z.string(),
  source: z.string(),
  disabled: z.boolean(),
  groups: z.array(z.string()),
  createdAt: z.string(),
});

export const limitsAnswer = z.array(z.object({ repositories: z.string(), actions: z.array(z.string()) }));

/** `pull,push on gallery/*`. */
export function describeLimits(limits: z.infer<typeof limitsAnswer> | undefined): string {
  if (!limits) return "all that its owner may";
  return limits.map(({ actions, repositories }) => `${actions.join(",")} on ${repositories}`).join("; ");
}
