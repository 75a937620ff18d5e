import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { runBerth } from "./fixtures/command-lines.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(120_000);

/** Names of the images that docker and Berth have; the number says which image. */
const names: readonly (readonly [number, string])[] = [
  [0, "image-gallery:1.0"],
  [0, "image-gallery:latest"],
  [1, "image-gallery:1.1"],
  [1, "team/image-gallery:1.1"],
  [1, "localhost:5000/team/image-gallery:1.1"],
  [2, "localhost:5000/team/app:2"],
  [2, "registry.example.com/a/b/c:2"],
  [3, "other:x"],
];

describe.skipIf(!isAvailable("dockerd", "docker"))("commands for local images beside docker's", () => {
  let engine: DockerEngine;
  let folder: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    engine = await startDockerEngine();
    for (const number of [0, 1, 2, 3]) {
      const lines = [
        "FROM scratch",
        `LABEL number=${number} kind=${number % 2 ? "odd" : "even"}`,
        "ENV A=1",
        "COPY f /f",
        "COPY f /g",
      ];
      await Bun.write(join(folder, "context", "Dockerfile"), `${lines.join("\n")}\nCMD ["/f"]\n`);
      await Bun.write(join(folder, "context", "f"), `file ${number}`);
      const id = await engine.docker("build", "--quiet", join(folder, "context"));
      for (const [of, name] of names) if (of === number) await engine.docker("tag", id, name);
      await Bun.sleep(1100); // docker orders images by their time in seconds
    }
    const archive = join(folder, "all.tar");
    await engine.docker("save", "--output", archive, ...names.map(([, name]) => name));
    expect(await berth("load", "--input", archive)).toContain("Loaded image: image-gallery:1.0\n");
  });

  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const attemptBerth = (args: readonly string[], stdin: string | Uint8Array = "") =>
    runBerth(args, { env: { BERTH_IMAGES: join(folder, "images") }, stdin });
  const berth = async (...args: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await attemptBerth(args);
    if (exitCode !== 0) throw new Error(`berth ${args.join(" ")}: ${exitCode}\n${stdout}${stderr}`);
    return stdout;
  };
  /** Lines in an order of their own: docker's within an image is by chance. */
  const lines = (text: string) => text.split("\n").filter(Boolean).sort();
  const both = async (...args: readonly string[]) => {
    const [ours, theirs] = [await berth(...args), await engine.docker(...args)];
    return [lines(ours), lines(theirs)] as const;
  };

  const format = "{{.Repository}}:{{.Tag}} {{.ID}}";
  const selections: readonly (readonly string[])[] = [
    [],
    ["image-gallery"],
    ["image-gallery:1.1"],
    ["*/image-gallery"],
    ["localhost:5000/team/*"],
    ["nothing"],
    ["--filter", "reference=*/image-gallery"],
    ["--filter", "reference=image-*:1.[0-9]"],
    ["--filter", "reference=*/*/*:*"],
    ["--filter", "reference=other", "--filter", "reference=*/app"],
    ["--filter", "label=kind=odd"],
    ["--filter", "label=kind", "--filter", "label=number=2"],
    ["--filter", "label=none"],
    ["--filter", "before=team/image-gallery:1.1"],
    ["--filter", "since=image-gallery:1.0"],
    ["--filter", "since=image-gallery", "--filter", "before=other:x"],
    ["--filter", "dangling=false"],
    ["--filter", "dangling=true"],
    ["--filter", "reference=*gallery", "--filter", "label=kind=even"],
    ["--no-trunc"],
  ];
  for (const selection of selections) {
    test(`image ls ${selection.join(" ")} shows what docker shows`, async () => {
      const [ours, theirs] = await both("image", "ls", ...selection, "--format", format);
      expect(ours).toEqual(theirs);
    });
  }

  test("image ls shows what docker shows whatever the pattern is", async () => {
    const piece = fc.constantFrom(
      "image-gallery",
      "team",
      "localhost:5000",
      "app",
      "*",
      "?",
      "/",
      ":",
      "1.1",
      "[a-z]",
      "[^/]",
      "x",
      "\\",
    );
    const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(pattern, async (text) => {
        const args = ["image", "ls", "--filter", `reference=${text}`, "--format", format];
        const [ours, theirs] = [await attemptBerth(args), await engine.attemptDocker(...args)];
        expect([ours.exitCode === 0, lines(ours.stdout)]).toEqual([
          theirs.exitCode === 0,
          lines(theirs.stdout),
        ]);
      }),
      { numRuns: 150 },
    );
  });

  test("image ls orders images and lays out its table as docker does", async () => {
    // Behind CREATED stands what changes with the second, and sizes: docker's are of layers that are not compressed.
    const columns = (text: string) => {
      const [header = "", ...rows] = text.trimEnd().split("\n");
      const end = header.indexOf("CREATED");
      return [header.slice(0, end + 7), ...rows.map((row) => row.slice(0, end))];
    };
    const [ours, theirs] = [await berth("image", "ls", "other"), await engine.docker("image", "ls", "other")];
    expect(columns(ours)).toEqual(columns(theirs));
    const [order, wanted] = [await berth("image", "ls", "-q"), await engine.docker("image", "ls", "-q")];
    expect(order.trimEnd()).toBe(wanted);
  });

  test("image ls prints a table and JSON as docker does when it is asked to", async () => {
    const table = ["image", "ls", "other", "--format", "table {{.Tag}}\\t{{.Repository}}\\t{{.ID}}"];
    expect((await berth(...table)).trimEnd()).toBe(await engine.docker(...table));
    const json = ["image", "ls", "other", "--format", "json"];
    const [ours, theirs] = [JSON.parse(await berth(...json)), JSON.parse(await engine.docker(...json))];
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
    expect([ours.ID, ours.Repository, ours.Tag]).toEqual([theirs.ID, theirs.Repository, theirs.Tag]);
  });

  test("image ls --json gives what programs want to know", async () => {
    const [row] = lines(await berth("image", "ls", "other", "--json")).map((line) => JSON.parse(line));
    const id = await engine.docker("image", "inspect", "--format", "{{.Id}}", "other:x");
    expect(row).toMatchObject({ id, repository: "other", tag: "x", labels: { kind: "odd", number: "3" } });
  });

  test("image inspect agrees with docker in what both have", async () => {
    const [ours] = JSON.parse(await berth("image", "inspect", "other:x"));
    const [theirs] = JSON.parse(await engine.docker("image", "inspect", "other:x"));
    for (const key of ["Id", "RepoTags", "Created", "Author", "Architecture", "Os", "RootFS", "Comment"]) {
      expect([key, ours[key]]).toEqual([key, theirs[key]]);
    }
    for (const key of ["Cmd", "Env", "Labels"]) expect(ours.Config[key]).toEqual(theirs.Config[key]);
  });

  for (const template of [
    "{{.Id}}",
    "{{json .Config.Labels}}",
    "{{index .RepoTags 0}}",
    "{{range .Config.Env}}{{.}};{{end}}",
    "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}",
    '{{if eq .Os "linux"}}{{upper .Architecture}}{{else}}no{{end}}',
    '{{len .RootFS.Layers}} {{.Config.Cmd}} {{join .RepoTags "+"}}',
    "{{.Config.Labels.kind}}{{with .Config.Labels.none}}{{.}}{{end}}",
    '{{printf "%q %v" .Os (len .RepoTags)}}',
  ]) {
    test(`image inspect --format ${template} prints what docker prints`, async () => {
      const args = ["image", "inspect", "--format", template, "other:x"];
      expect((await berth(...args)).trimEnd()).toBe((await engine.docker(...args)).trimEnd());
    });
  }

  test("image history shows docker's steps, whole and cut", async () => {
    for (const flags of [[], ["--no-trunc"], ["-q"], ["--human=false"]]) {
      const args = ["history", ...flags, "--format", "{{.ID}}|{{.CreatedBy}}|{{.Comment}}", "other:x"];
      // An engine that built the image itself knows the IDs of its steps; only the last one's is told elsewhere.
      const steps = (text: string) =>
        text
          .trimEnd()
          .split("\n")
          .map((line) => line.replace(/^[^|]+\|/, "|"));
      const [ours, theirs] = [await berth(...args), await engine.docker(...args)];
      expect(steps(ours)).toEqual(steps(theirs));
      expect(ours.split("|")[0]).toBe(theirs.split("|")[0] ?? "");
    }
  });

  test("image rm removes names and images as docker does, and says so in its words", async () => {
    const withoutDigests = (text: string) =>
      text.split("\n").filter((line) => line && !/@sha256:|^Deleted/.test(line));
    const step = async (...args: readonly string[]) => {
      const [ours, theirs] = [
        await attemptBerth(["image", "rm", ...args]),
        await engine.attemptDocker("image", "rm", ...args),
      ];
      expect([args, ours.exitCode]).toEqual([args, theirs.exitCode]);
      expect(withoutDigests(ours.stdout)).toEqual(withoutDigests(theirs.stdout));
      expect([args, /^Deleted/m.test(ours.stdout)]).toEqual([args, /^Deleted/m.test(theirs.stdout)]);
      const [left, wanted] = await both("image", "ls", "--format", format);
      expect(left).toEqual(wanted);
    };
    const idOf = (name: string) => engine.docker("image", "inspect", "--format", "{{.Id}}", name);
    const [first, second, third] = await Promise.all(
      ["image-gallery:1.0", "image-gallery:1.1", "other:x"].map(idOf),
    );
    await step("image-gallery"); // one of two tags
    await step("nothing:here");
    await step("--force", "nothing:here");
    await step(second ?? ""); // several repositories: refused
    await step("localhost:5000/team/image-gallery:1.1");
    await step(first ?? ""); // a single name: by ID
    await step("--force", second ?? "");
    await step((third ?? "").slice(7, 19));
    await step("localhost:5000/team/app:2", "registry.example.com/a/b/c:2");
    expect(await berth("image", "ls", "-q")).toBe("");
    expect(await engine.docker("image", "ls", "-q")).toBe("");
  });
});
