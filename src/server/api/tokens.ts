import { z } from "zod";
import { parseLimits } from "../../access/accounts.ts";
import { actions } from "../../access/roles.ts";
import type { CredentialRow } from "../../store/metadata/access.ts";
import type { Administration } from "../access/access.ts";
import { askerOf, login } from "./accounts.ts";
import { type Operation, operation } from "./operations.ts";
import { repositoryPattern } from "./schemas.ts";

const limit = z.strictObject({
  repositories: repositoryPattern,
  actions: z.array(z.enum(actions)).min(1),
});
const owner = z.strictObject({ name: z.string() });

/** Tokens of people and robots. */
export function createTokenOperations(administration: () => Administration): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/accounts/{name}/tokens",
      summary: "Lists an account's tokens, the newest first, without their secrets",
      params: owner,
      response: z.object({
        tokens: z.array(
          z.object({
            id: z.string(),
            name: z.string(),
            limits: z.array(z.object({ repositories: z.string(), actions: z.array(z.string()) })).optional(),
            createdAt: z.string(),
            expiresAt: z.string().optional(),
            lastUsedAt: z.string().optional().describe("Known to half a minute"),
          }),
        ),
      }),
      need: login,
      async run({ params }, call) {
        const tokens = await administration().tokens.list(askerOf(call), params.name);
        return { tokens: tokens.map(shown) };
      },
    }),
    operation({
      method: "POST",
      path: "/accounts/{name}/tokens",
      summary: "Makes a token. Its secret is in this answer and nowhere else",
      params: owner,
      body: z.strictObject({
        name: z.string().min(1).max(128),
        limits: z.array(limit).min(1).max(100).optional().describe("All that its owner may if absent"),
        expiresAt: z.iso.datetime().optional(),
      }),
      response: z.object({ id: z.string(), secret: z.string() }),
      need: login,
      run: ({ params, body: { name, limits, expiresAt } }, call) =>
        administration().tokens.create(askerOf(call), params.name, {
          name,
          limits,
          expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
        }),
    }),
    operation({
      method: "DELETE",
      path: "/accounts/{name}/tokens/{id}",
      summary: "Revokes a token: it ends within a second, in every worker",
      params: z.strictObject({ name: z.string(), id: z.string() }),
      need: login,
      run: ({ params }, call) => administration().tokens.revoke(askerOf(call), params.name, params.id),
    }),
  ];
}

function shown({ id, name, limits, createdAt, expiresAt, lastUsedAt }: CredentialRow) {
  const time = (ms: number) => new Date(ms).toISOString();
  return {
    id,
    name,
    createdAt: time(createdAt),
    ...(limits === undefined
      ? {}
      : { limits: parseLimits(limits).map((item) => ({ ...item, actions: [...item.actions] })) }),
    ...(expiresAt === undefined ? {} : { expiresAt: time(expiresAt) }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: time(lastUsedAt) }),
  };
}
