import type { z } from "zod";
import type { Client } from "../../client/client.ts";
import type { ManagementRequest } from "../../client/management.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RegistryName } from "../../oci/references.ts";
import type { Context, Surroundings } from "../command.ts";
import { parseRegistry } from "../locations/operands.ts";
import { registryFlags, withRemotes } from "../locations/registries.ts";

/** The flags of every command that uses a management API. */
export const managementFlags = {
  json: { type: "switch", summary: "print JSON" },
  ...registryFlags,
} as const;

/** The operand that says which Berth. */
export const registryOperand = { value: "REGISTRY", completion: "registry" } as const;

type ManagementContext = Surroundings &
  Pick<Context<typeof managementFlags>, "flags"> & { readonly operands: { readonly registry: string } };

/** The management API of one Berth. */
export interface Management {
  readonly registry: RegistryName;
  /** Asks one operation and checks that the answer has the form that is expected. */
  ask<Schema extends z.ZodType>(request: ManagementRequest, answer: Schema): Promise<z.output<Schema>>;
  /** Asks an operation that answers nothing. */
  tell(request: ManagementRequest): Promise<void>;
}

/** Lets a command use the management API of the Berth that its operand names, with the login that docker has for it. */
export function withManagement(
  context: ManagementContext,
  act: (management: Management) => Promise<number>,
): Promise<number> {
  return withRemotes(context, ({ client }) => {
    const { registry, ...typed } = parseRegistry(context.operands.registry);
    return act(managementOf(client(registry, typed), registry, context.signal));
  });
}

/** The management API of the Berth that a client talks to. */
export function managementOf(remote: Client, registry: RegistryName, signal: AbortSignal): Management {
  const send = (request: ManagementRequest) => remote.manage({ signal, ...request });
  return {
    registry,
    async ask(request, schema) {
      const parsed = schema.safeParse(await send(request));
      if (parsed.success) return parsed.data;
      const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
      throw new RegistryError(
        "UNSUPPORTED",
        `cannot ${request.action}: ${registry} answered in a form that this Berth does not know ` +
          `(${faults.slice(0, 3).join("; ")}): it may be another version`,
      );
    },
    async tell(request) {
      await send(request);
    },
  };
}
