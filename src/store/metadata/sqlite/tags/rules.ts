import { RegistryError } from "../../../../oci/errors.ts";
import type { StoredRules } from "../../tag-policy.ts";
import type { TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";

const none: StoredRules = { version: 0, text: "" };

/** The rules that the metadata keep, as text; their past is kept too. */
export function createTagRuleMetadata({
  prepare,
  write,
}: SqliteDatabase): Pick<TagMetadata, "putTagRules"> & { getTagRules(): StoredRules } {
  const version = prepare<{ version: number | null }, []>("SELECT max(version) AS version FROM tag_rules");
  const read = prepare<StoredRules, [number]>("SELECT version, text FROM tag_rules WHERE version = ?");
  const insert = prepare<null, [number, string, number, string]>(
    "INSERT INTO tag_rules (version, text, at, actor) VALUES (?, ?, ?, ?)",
  );
  let known = none;
  const get = (): StoredRules => {
    const present = version.get()?.version ?? 0;
    if (present !== known.version) known = read.get(present) ?? none;
    return known;
  };
  return {
    getTagRules: get,
    putTagRules: (text, expected, actor) =>
      write(() => {
        const present = version.get()?.version ?? 0;
        if (present !== expected) {
          throw new RegistryError(
            "REQUEST_INVALID",
            `the rules have version ${present}, not ${expected}: somebody changed them; read them again`,
            { detail: { version: present } },
          );
        }
        insert.run(present + 1, text, Date.now(), actor);
        return { version: present + 1, text };
      }),
  };
}
