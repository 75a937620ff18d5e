import { z } from "zod";
import { RegistryError } from "../../../oci/errors.ts";
import type { Metadata } from "../../../store/metadata/metadata.ts";
import type { StoredRules } from "../../../store/metadata/tag-policy.ts";
import { placeRules, type Tagging, writeStoredRules } from "../../../tagging/policies.ts";
import { findRuleFaults } from "../../../tagging/rule-faults.ts";
import { tagRule } from "../../../tagging/rules.ts";
import { type Operation, operation } from "../operations.ts";

const response = z.object({
  version: z.number().int().describe("Of the stored rules; to be given back with a change"),
  rules: z
    .array(z.object({ source: z.enum(["settings", "stored"]), number: z.number().int(), rule: tagRule }))
    .describe("In their order: the first that matches a repository decides"),
  notes: z.array(z.string()),
});

/** Rules for tags: those of the settings file, which stand there alone, and those stored here. */
export function createTagRuleOperations(
  metadata: Metadata,
  tagging: Tagging,
  onNewRules: () => void,
): readonly Operation[] {
  const show = (stored: StoredRules): z.input<typeof response> => {
    const rules = tagging.rules(stored);
    const { errors, notes } = findRuleFaults(rules);
    return { version: stored.version, rules: [...rules], notes: [...errors, ...notes] };
  };
  return [
    operation({
      method: "GET",
      path: "/tags/rules",
      summary: "The rules for tags of the settings file and those stored here",
      response,
      need: () => ({ kind: "registry", action: "read" }),
      run: async () => show(await metadata.getTagRules()),
    }),
    operation({
      method: "PUT",
      path: "/tags/rules",
      summary: "Replaces the stored rules; those of the settings file come before them and are changed there",
      body: z.strictObject({
        version: z.number().int().min(0).describe("That the rules were read with"),
        rules: z.array(tagRule).max(1000),
      }),
      response,
      need: () => ({ kind: "registry", action: "write" }),
      async run({ body: { version, rules } }, { actor }) {
        const settings = tagging
          .rules(await metadata.getTagRules())
          .filter(({ source }) => source === "settings");
        const placed = placeRules(
          settings.map(({ rule }) => rule),
          rules,
        );
        const { errors } = findRuleFaults(placed);
        if (errors.length > 0) {
          throw new RegistryError("REQUEST_INVALID", errors.join("; "), { detail: { faults: errors } });
        }
        const stored = await metadata.putTagRules(writeStoredRules(rules), version, actor);
        onNewRules();
        return show(stored);
      },
    }),
  ];
}
