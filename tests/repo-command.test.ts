import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { newUser, putImage, type User } from "./fixtures/users.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

let folder: string;
let user: User;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  user = await newUser(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const kinds: [string, boolean, () => Promise<RunningRegistry>][] = [
  ["Berth", true, startBerth],
  ["docker-registry", isAvailable("docker-registry"), startDockerRegistry],
];

for (const [kind, isThere, start] of kinds) {
  describe.skipIf(!isThere)(`berth repo with ${kind}`, () => {
    let registry: RunningRegistry;

    beforeAll(async () => {
      registry = await start();
      await putImage(`${registry.host}/keep/this:1`, { folder });
    });
    afterAll(() => registry?.stop());

    const repositories = async () => (await user.run("repo", "ls", registry.host)).stdout;
    const putIndex = async (name: string) => {
      await putImage(`${name}:1`, { folder, platforms: ["linux/amd64", "linux/arm64"] });
      for (const tag of ["2", "latest"]) await user.run("copy", `${name}:1`, `${name}:${tag}`);
    };

    test("rm deletes indexes with what they list, and nothing of another repository", async () => {
      const name = `${registry.host}/drop/that`;
      await putIndex(name);
      const digest = (await user.run("digest", "--platform", "linux/arm64", `${name}:1`)).stdout.trim();
      const planned = await user.run("repo", "rm", "--dry-run", name);
      expect(planned).toMatchObject({
        exitCode: 0,
        stdout: `Would delete ${name}: 3 tags and 3 manifests\n`,
      });
      expect((await user.run("digest", `${name}:latest`)).exitCode).toBe(0);
      const removed = await user.run("repo", "rm", "-f", name);
      expect(removed).toEqual({
        exitCode: 0,
        stdout: `Deleted ${name}: 3 tags and 3 manifests\n`,
        stderr: "",
      });
      const isBerth = kind === "Berth";
      for (const gone of [`${name}:1`, `${name}:latest`, `${name}@${digest}`]) {
        expect((await user.run("digest", gone)).exitCode).toBe(1);
      }
      expect((await user.run("digest", `${registry.host}/keep/this:1`)).exitCode).toBe(0);
      expect(await repositories()).toContain("keep/this\n");
      const what = "3 tags and 3 manifests";
      for (const [flags, stdout] of [
        [["--since", "2020-01-01", "--dry-run"], `Would bring back ${name}: ${what}\n`],
        [["--since", "2999-01-01"], `Brought back ${name}: 0 tags and 0 manifests\n`],
        [[], `Brought back ${name}: ${what}\n`],
        [[], `Brought back ${name}: 0 tags and 0 manifests\n`],
      ] as const) {
        const undeleted = await user.run("repo", "undelete", ...flags, name);
        if (isBerth) expect(undeleted).toEqual({ exitCode: 0, stdout, stderr: "" });
        else expect(undeleted.exitCode).toBe(1); // only a Berth keeps what was deleted
      }
      if (!isBerth) return;
      const back = await user.run("digest", "--platform", "linux/arm64", `${name}:latest`);
      expect(back.stdout.trim()).toBe(digest);
    });

    test("rm asks before it deletes, and refuses where nobody can be asked", async () => {
      const name = `${registry.host}/asked/for`;
      await putImage(`${name}:1`, { folder });
      const unasked = await user.run("repo", "rm", name);
      expect(unasked.exitCode).toBe(2);
      expect(unasked.stderr).toContain("use --force");
      const refused = await user.runWith({ typed: ["no"], columns: 80 }, "repo", "rm", name);
      expect(refused).toMatchObject({ exitCode: 1, stdout: "Nothing was deleted\n" });
      expect((await user.run("digest", `${name}:1`)).exitCode).toBe(0);
      const confirmed = await user.runWith({ typed: ["y"], columns: 80 }, "repo", "rm", name);
      expect(confirmed.exitCode).toBe(0);
      expect((await user.run("digest", `${name}:1`)).exitCode).toBe(1);
    });

    test("rm says that there is no such repository", async () => {
      const { exitCode, stderr } = await user.run("repo", "rm", "-f", `${registry.host}/not/there`);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("not/there");
    });
  });
}
