import { z } from "zod";
import type { Asker } from "../../access/asker.ts";
import { requireAdministrator } from "../../access/asker.ts";
import { mayAdministerRegistry } from "../../access/permissions.ts";
import type { AccountRow } from "../../store/metadata/access.ts";
import type { Administration } from "../access/access.ts";
import { noAccounts } from "../access/gate.ts";
import { type Call, type Operation, operation } from "./operations.ts";
import { pageQuery } from "./schemas.ts";

/** An account, as answers show it. */
const account = z.object({
  name: z.string(),
  kind: z.enum(["person", "robot", "workload"]),
  source: z.string().describe("Who says that it exists: local, htpasswd, or a provider's address"),
  disabled: z.boolean(),
  groups: z.array(z.string()),
  createdAt: z.string(),
});
const groups = z.array(z.string().min(1).max(128)).max(100);
const name = z.strictObject({ name: z.string() });
const password = z.string().max(1024);
/** An operation that is for everybody who is somebody; what they may is decided where it is done. */
export const login = () => ({ kind: "login" }) as const;

/** Who asks; operations that need a login have one. @throws RegistryError UNSUPPORTED in an open registry */
export function askerOf({ asker }: Call): Asker {
  if (!asker) throw noAccounts();
  return asker;
}

/** People and robots. */
export function createAccountOperations(administration: () => Administration): readonly Operation[] {
  return [whoami(), ...reading(administration), ...changing(administration)];
}

function whoami(): Operation {
  return operation({
    method: "GET",
    path: "/whoami",
    summary: "Who asks, by which credential, and what they may do",
    response: z.object({
      name: z.string(),
      kind: z.enum(["anonymous", "person", "robot", "workload"]),
      credential: z.string(),
      administrator: z.boolean(),
      grants: z.array(z.object({ role: z.string(), repositories: z.string() })),
      limits: z.array(z.object({ actions: z.array(z.string()), repositories: z.string() })).optional(),
    }),
    need: login,
    run(_input, call) {
      const { caller } = askerOf(call);
      const { identity, credential, permissions } = caller;
      return {
        name: call.actor,
        kind: identity.kind,
        credential,
        administrator: mayAdministerRegistry(permissions),
        grants: permissions.grants.map((grant) => ({ ...grant })),
        ...(permissions.limits && {
          limits: permissions.limits.map(({ actions, repositories }) => ({
            actions: [...actions],
            repositories,
          })),
        }),
      };
    },
  });
}

function reading(administration: () => Administration): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/accounts",
      summary: "Lists accounts by name",
      query: z.strictObject(pageQuery),
      response: z.object({ accounts: z.array(account), next: z.string().optional() }),
      need: login,
      async run({ query: { n, last = "" } }, call) {
        requireAdministrator(askerOf(call), "list accounts");
        const page = await administration().accounts.list({ limit: n, after: last });
        return {
          accounts: page.items.map(shown),
          ...(page.next === undefined ? {} : { next: page.next }),
        };
      },
    }),
    operation({
      method: "GET",
      path: "/accounts/{name}",
      summary: "Reads an account",
      params: name,
      response: account,
      need: login,
      async run({ params }, call) {
        requireAdministrator(askerOf(call), "read accounts");
        return shown(await administration().accounts.find(params.name));
      },
    }),
  ];
}

function changing(administration: () => Administration): readonly Operation[] {
  return [
    operation({
      method: "POST",
      path: "/accounts",
      summary: "Makes a person, who has a password, or a robot, which has tokens",
      body: z.strictObject({
        name: z.string(),
        kind: z.enum(["person", "robot"]).default("person"),
        password: password.optional(),
        groups: groups.optional(),
      }),
      response: account,
      need: login,
      run: async ({ body }, call) => shown(await administration().accounts.create(askerOf(call), body)),
    }),
    operation({
      method: "PUT",
      path: "/accounts/{name}",
      summary: "Disables or enables an account, or sets its groups; what is absent stays",
      params: name,
      body: z.strictObject({ disabled: z.boolean().optional(), groups: groups.optional() }),
      response: account,
      need: login,
      run: async ({ params, body }, call) =>
        shown(await administration().accounts.change(askerOf(call), params.name, body)),
    }),
    operation({
      method: "PUT",
      path: "/accounts/{name}/password",
      summary: "Sets a password; one's own only with the present one. Ends every login that was made with it",
      params: name,
      body: z.strictObject({ password, current: password.optional() }),
      need: login,
      run: ({ params, body }, call) =>
        administration().accounts.setPassword(askerOf(call), params.name, body.password, body.current),
    }),
    operation({
      method: "DELETE",
      path: "/accounts/{name}",
      summary: "Removes an account with its roles and tokens",
      params: name,
      need: login,
      run: ({ params }, call) => administration().accounts.remove(askerOf(call), params.name),
    }),
  ];
}

function shown({ name, kind, source, disabled, groups, createdAt }: AccountRow): z.infer<typeof account> {
  return { name, kind, source, disabled, groups: [...groups], createdAt: new Date(createdAt).toISOString() };
}
