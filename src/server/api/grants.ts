import { z } from "zod";
import { parseSubject, subjectText } from "../../access/grant-administration.ts";
import { roles } from "../../access/roles.ts";
import type { Administration } from "../access/access.ts";
import { askerOf, login } from "./accounts.ts";
import { type Operation, operation } from "./operations.ts";
import { repositoryPattern } from "./schemas.ts";

const grant = z.strictObject({
  subject: z.string().min(1).describe("An account, group:NAME, or public for everybody"),
  role: z.enum(roles),
  repositories: repositoryPattern,
});

/** Who has which role on which repositories. */
export function createGrantOperations(administration: () => Administration): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/grants",
      summary: "Lists the roles that were given, as far as the caller may change them",
      response: z.object({
        grants: z.array(
          z.object({
            subject: z.string(),
            role: z.string(),
            repositories: z.string(),
            createdAt: z.string(),
          }),
        ),
      }),
      need: login,
      async run(_input, call) {
        const rows = await administration().grants.list(askerOf(call));
        return {
          grants: rows.map(({ subject, role, repositories, createdAt }) => ({
            subject: subjectText(subject),
            role,
            repositories,
            createdAt: new Date(createdAt).toISOString(),
          })),
        };
      },
    }),
    operation({
      method: "POST",
      path: "/grants",
      summary: "Gives a role on a pattern of repositories",
      body: grant,
      need: login,
      run: ({ body }, call) =>
        administration().grants.add(askerOf(call), { ...body, subject: parseSubject(body.subject) }),
    }),
    operation({
      method: "DELETE",
      path: "/grants",
      summary: "Takes a role away",
      query: grant,
      need: login,
      run: ({ query }, call) =>
        administration().grants.remove(askerOf(call), { ...query, subject: parseSubject(query.subject) }),
    }),
  ];
}
