import { z } from "zod";
import type { Operation } from "./operations.ts";

/** JSON Schema, as much of it as is looked into. */
interface ObjectSchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

const errorAnswer = {
  description: "It was not done; the message says why and what to do",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Errors" } } },
};

const errors = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string(), detail: z.unknown().optional() })),
});

/**
 * The OpenAPI document of a table of operations, from the schemas that check their input.
 * https://spec.openapis.org/oas/v3.1.1.html
 */
export function describeOperations(operations: readonly Operation[], version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const path = `/api/v1${operation.path}`;
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Berth's management API",
      version,
      description:
        "Images and artifacts themselves are pushed and pulled by the OCI distribution API under /v2/",
    },
    paths,
    components: { schemas: { Errors: toSchema(errors, "output") } },
  };
}

function describe(operation: Operation): object {
  const { method, path, summary, params, query, body, response, produces } = operation;
  const parameters = [...parametersOf("path", params), ...parametersOf("query", query)];
  const content = response
    ? { "application/json": { schema: toSchema(response, "output") } }
    : produces && { [produces]: { schema: { type: "string" } } };
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^a-zA-Z]+(\w?)/g, (_, letter) => letter.toUpperCase())}`,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: toSchema(body, "input") } } },
    }),
    responses: {
      [content ? "200" : "204"]: { description: "It was done", ...(content && { content }) },
      default: errorAnswer,
    },
  };
}

function parametersOf(place: "path" | "query", schema: z.ZodType | undefined): object[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = toSchema(schema, "input") as ObjectSchema; // an object's schema has these
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: property,
  }));
}

function toSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
