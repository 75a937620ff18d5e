// `npm test`: installs what is missing, then checks types, lint and behaviour. Arguments go to `bun test`, so that
// `npm test -- src/oci` runs the tests of one folder.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBun, installDependencies, root, run } from "./runtime.mjs";

const counts = { passed: 0, failed: 0, skipped: 0 };
const times = [];
// The whole suite takes less than a quarter of an hour: one that takes so much longer hangs, and must end and say so.
const longestRunMs = 45 * 60_000;
// Exit codes of a program that SIGINT or SIGTERM ended: then nobody waits for the rest.
const interrupted = 130;
const terminated = 143;

installDependencies();
const bun = findBun();
await step("types", () => runTool("tsc", ["--noEmit"]));
await step("lint", () => runTool("biome", ["check", "."]));
await step("programs", () => run(bun, ["tests/programs.ts", "tests"], { cwd: root }));
await step("tests", runTests);
report();

async function step(name, action) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const exitCode = await action();
  times.push({ name, exitCode, seconds: (performance.now() - started) / 1000 });
  if (exitCode === interrupted || exitCode === terminated) process.exit(exitCode);
}

function runTool(name, args) {
  const windows = process.platform === "win32";
  return run(join(root, "node_modules", ".bin", name), args, { cwd: root, shell: windows });
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
  const results = join(folder, "results.xml");
  const reporter = ["--reporter=junit", `--reporter-outfile=${results}`];
  // Each file by itself; and no server or engine outlives a run that is interrupted.
  const hygiene = ["--isolate", "--no-orphans"];
  // Most tests wait for real programs, which take their time on a busy machine.
  const patience = `--timeout=${60_000}`;
  const patterns = process.argv.slice(2);
  const where = patterns.length > 0 ? patterns : ["src", "tests"];
  const exitCode = await run(bun, ["test", ...hygiene, patience, ...reporter, ...where], {
    cwd: root,
    ...{ timeout: longestRunMs, killSignal: "SIGKILL" },
  });
  addCounts(results);
  rmSync(folder, { recursive: true });
  return exitCode;
}

function addCounts(results) {
  let summary;
  try {
    summary = readFileSync(results, "utf8").match(/<testsuites [^>]*>/)?.[0];
  } catch {
    // The test runner did not get so far; its exit code counts as a failure.
  }
  const count = (name) => Number(summary?.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  counts.failed = count("failures");
  counts.skipped = count("skipped");
  counts.passed = count("tests") - counts.failed - counts.skipped;
}

function report() {
  console.log();
  for (const { name, exitCode, seconds } of times) {
    console.log(
      `${name.padEnd(10)}${(exitCode === 0 ? "ok" : "failed").padEnd(8)}${seconds.toFixed(1).padStart(6)} s`,
    );
    // A test run can fail without a failed test, when a file does not load.
    if (exitCode !== 0 && (name !== "tests" || counts.failed === 0)) counts.failed += 1;
  }
  if (process.env.CI === "true" && counts.skipped > 0) {
    console.log(`CI=true: ${counts.skipped} skipped tests count as failed`);
    counts.failed += counts.skipped;
    counts.skipped = 0;
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
