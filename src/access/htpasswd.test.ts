import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { makeAccessMetadata, type TemporaryMetadata } from "../../tests/fixtures/access-metadata.ts";
import { followPasswordFile, parsePasswordFile } from "./htpasswd.ts";
import { createPasswordChecker } from "./passwords.ts";

const bcrypt = (password: string) => Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
let metadata: TemporaryMetadata;
beforeEach(() => {
  metadata = makeAccessMetadata();
});
afterEach(() => metadata.remove());

describe("parsePasswordFile", () => {
  test("parsePasswordFile takes bcrypt and says which lines it cannot take", async () => {
    const hash = await bcrypt("x");
    const lines = [
      "# people",
      `alice:${hash}`,
      "",
      "bob:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=",
      `B b:${hash}`,
      "carol",
    ];
    const { hashes, faults } = parsePasswordFile(lines.join("\n"));
    expect([...hashes.keys()]).toEqual(["alice"]);
    expect(faults).toEqual([
      "line 4: the hash of bob is no bcrypt: make it with htpasswd -B",
      'line 5: "B b" cannot be the name of an account',
      'line 6: "" cannot be the name of an account',
    ]);
    expect(faults.join()).not.toContain("qUqP5");
  });
});

describe("followPasswordFile", () => {
  const follow = (text: string) => followPasswordFile(metadata.access, text);
  const find = (name: string) => metadata.access.findAccount(name);

  test("followPasswordFile makes, changes, disables and brings back the accounts of the file", async () => {
    const [first, second] = await Promise.all([bcrypt("one"), bcrypt("two")]);
    await follow(`alice:${first}\nbob:${first.replace("$2b$", "$2y$")}\n`);
    const alice = await find("alice");
    expect(alice).toMatchObject({ source: "htpasswd", groups: ["htpasswd"], disabled: false, epoch: 1 });
    expect(await createPasswordChecker().verify("one", (await find("bob"))?.password)).toBe(true);
    await follow(`alice:${second}\n`);
    expect(await find("alice")).toMatchObject({ password: second, epoch: 2 });
    expect(await find("bob")).toMatchObject({ disabled: true, epoch: 2 });
    await follow(`alice:${second}\nbob:${first}\n`);
    expect(await find("bob")).toMatchObject({ disabled: false, password: first });
    const version = await metadata.access.version();
    await follow(`alice:${second}\nbob:${first}\n`);
    expect(await metadata.access.version()).toBe(version); // nothing to do, nothing done
  });

  test("followPasswordFile leaves accounts of others alone", async () => {
    await metadata.access.createAccount({ name: "admin", kind: "person", source: "local", password: "x" });
    const { faults } = await follow(`admin:${await bcrypt("mine")}\n`);
    expect(faults).toHaveLength(1);
    expect(await find("admin")).toMatchObject({ source: "local", password: "x" });
    await follow("");
    expect(await find("admin")).toMatchObject({ disabled: false });
  });
});
