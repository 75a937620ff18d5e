import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { quote, RegistryError } from "../../../oci/errors.ts";
import { fingerprintOf } from "../../../server/tls/certificates.ts";
import { type Context, defineCommand, parseTyped, UsageError } from "../../command.ts";
import { parseRegistry } from "../../locations/operands.ts";
import { writeJson } from "../../output/json.ts";
import { describeAdvice, describeChange, describePlan, describeUndone } from "../../output/setup.ts";
import { applyPlan } from "../../setup/apply.ts";
import { statusOf } from "../../setup/asking.ts";
import { parseFingerprint } from "../../setup/authority.ts";
import { openFiles, reasonOf } from "../../setup/files.ts";
import { openMachine } from "../../setup/machine.ts";
import type { Plan } from "../../setup/plan.ts";
import { type ConfirmFingerprint, type Prepared, prepareClient } from "../../setup/prepare.ts";
import { runProgram } from "../../setup/programs.ts";
import { hostsLifetimeMs, unawareOf, untilHostsAreRead } from "../../setup/settling.ts";
import { undoneBy, undoSetup } from "../../setup/undo.ts";

const operands = { registry: { value: "REGISTRY", completion: "registry" } } as const;
const flags = {
  fingerprint: {
    type: "text",
    value: "SHA256",
    summary: "of the server's authority, as the server prints it",
  },
  address: {
    type: "text",
    value: "IP",
    summary: "where the server is: written into /etc/hosts if its name does not say",
  },
  "ca-file": {
    type: "text",
    value: "FILE",
    summary: "the authority's certificate (PEM), if the server does not hand it out",
    completion: "file",
  },
  engine: {
    type: "text",
    value: "NAME",
    multiple: true,
    summary: "only docker, containerd, podman, buildkit or system",
  },
  insecure: {
    type: "switch",
    summary: "let the engines speak plain HTTP with it, which anybody between can read and change",
  },
  "dry-run": { type: "switch", summary: "show what would change, and change nothing" },
  undo: { type: "switch", summary: "take back what was changed for this registry" },
  root: {
    type: "text",
    value: "FOLDER",
    summary: "change the files below this folder instead",
    otherwise: "/",
    completion: "folder",
  },
  json: { type: "switch", summary: "print JSON" },
} as const;

type ClientContext = Context<typeof flags, typeof operands>;

/** `berth setup client`. */
export const setupClient = defineCommand({
  operands,
  flags,
  description: `Makes this machine find a registry and trust its authority: docker, containerd, podman with buildah and skopeo,
BuildKit, and the system, as far as they are installed. Nothing is changed unless all of it can be.`,
  examples: [
    {
      line: "berth setup client registry.local:5000 --fingerprint 4f0c...",
      does: "what the server's setup told to run",
    },
    { line: "berth setup client registry.local:5000 --dry-run", does: "shows what it would change" },
    { line: "berth setup client registry.local:5000 --undo", does: "takes it back" },
  ],
  async run(context) {
    const { flags, operands, cwd } = context;
    const { registry } = parseRegistry(operands.registry);
    const root = resolve(cwd, flags.root ?? "/");
    if (!existsSync(root)) throw new UsageError(`--root is ${quote(root)}: there is no such folder`);
    if (flags.undo) return undo(context, registry, root);
    if (flags.insecure && (flags.fingerprint !== undefined || flags["ca-file"] !== undefined))
      throw new UsageError("--insecure checks nothing: leave out --fingerprint and --ca-file");
    const wish = {
      registry,
      address: flags.address,
      fingerprint:
        flags.fingerprint === undefined ? undefined : parseTyped(parseFingerprint, flags.fingerprint),
      caFile: flags["ca-file"] === undefined ? undefined : resolve(cwd, flags["ca-file"]),
      insecure: flags.insecure,
      engines: flags.engine,
    };
    const machine = openMachine(root);
    const prepared = await prepareClient(wish, machine, confirmWith(context));
    const plan = withoutPrograms(prepared.plan, root);
    if (flags["dry-run"]) return show(context, prepared, plan);
    const files = openFiles(root);
    const takeBack = await applyPlan(plan, { files, registry, run: runProgram });
    const status = await prove(prepared, root, takeBack);
    if (root === "/") await settle(context, plan);
    return show(context, prepared, plan, status);
  },
});

type Registry = Prepared["target"]["registry"];

/** Programs change this machine, not another folder. */
function withoutPrograms(plan: Plan, root: string): Plan {
  if (root === "/") return plan;
  const advice = plan.commands.map(({ argv }) => `not run, because of --root: ${argv.join(" ")}`);
  return { ...plan, commands: [], advice: [...plan.advice, ...advice] };
}

function confirmWith({ stdin, stderr, signal, operands }: ClientContext): ConfirmFingerprint {
  return async (fingerprint) => {
    if (!stdin.isTerminal) {
      throw new UsageError(
        `nobody can be asked whether ${fingerprint} is the fingerprint of the authority of ${operands.registry}: ` +
          "take it from the server, where berth setup server prints it, and add it with --fingerprint",
      );
    }
    stderr.write(`The authority of ${operands.registry} has the fingerprint\n  ${fingerprint}\n`);
    const prompt = "Does the server show the same (berth setup server prints it)? yes or no: ";
    const answer = await stdin.readLine({ prompt, echo: true, signal });
    if (answer?.trim().toLowerCase() !== "yes")
      throw new RegistryError("DENIED", "the fingerprint was not confirmed: nothing was changed");
  };
}

/** Makes a request as other programs do. What was changed is taken back when it fails. */
async function prove(prepared: Prepared, root: string, takeBack: () => Promise<void>): Promise<number> {
  try {
    const status = await statusOf(prepared, root !== "/");
    if (status === 200 || status === 401) return status;
    throw new RegistryError(
      "UNAVAILABLE",
      `${prepared.target.registry} answered with status ${status}, expected that of a registry`,
    );
  } catch (error) {
    const left = await takeBack().then(() => undefined, reasonOf);
    const state = left ?? "what was changed is taken back";
    throw new RegistryError("UNAVAILABLE", `${reasonOf(error)}; ${state}`, { cause: error });
  }
}

/** Waits for programs that run already, so that it works when this ends. */
async function settle({ stderr, signal }: ClientContext, plan: Plan): Promise<void> {
  const names = unawareOf(plan);
  if (names.length === 0) return;
  stderr.write(
    `Waiting ${hostsLifetimeMs / 1000} s, until what runs (${names.join(", ")}) looks at /etc/hosts again\n`,
  );
  await untilHostsAreRead(signal);
}

/** @param status of the proof; absent when nothing was done */
function show({ flags, stdout }: ClientContext, prepared: Prepared, plan: Plan, status?: number): number {
  const { target, found, scheme, authority } = prepared;
  const isDone = status !== undefined;
  if (flags.json) {
    const fingerprint = authority === undefined ? {} : { fingerprint: fingerprintOf(authority) };
    const proof = isDone ? { status } : {};
    writeJson(stdout, {
      registry: target.registry,
      address: found.address,
      scheme,
      ...fingerprint,
      ...plan,
      isDone,
      ...proof,
    });
    return 0;
  }
  stdout.write(`${target.registry} is at ${found.address} (by ${found.by})\n`);
  if (authority !== undefined)
    stdout.write(`Its authority has the fingerprint ${fingerprintOf(authority)}\n`);
  else if (scheme === "https") stdout.write("This machine trusts its authority already\n");
  if (plan.files.length + plan.commands.length === 0) stdout.write("Nothing has to change\n");
  if (isDone) stdout.write(describePlan(plan, ["wrote", "ran"]));
  else
    stdout.write(
      plan.files.map(describeChange).join("") + describePlan({ ...plan, files: [] }, ["", "would run"]),
    );
  const login = status === 401 ? ": it works, and wants a login for what not everybody may do" : "";
  if (isDone)
    stdout.write(`A request to ${scheme}://${target.registry}/v2/ was answered with ${status}${login}\n`);
  if (scheme === "http") stdout.write(warning);
  stdout.write(describeAdvice(plan));
  if (isDone) stdout.write(`To take it back: berth setup client ${target.registry} --undo\n`);
  return 0;
}

const warning = `With plain HTTP, whoever is between this machine and the registry can read passwords and images, and give others
instead: berth setup server on the server, and here --undo and this again without --insecure, mend that
`;

async function undo({ flags, stdout }: ClientContext, registry: Registry, root: string): Promise<number> {
  const files = openFiles(root);
  const run: typeof runProgram = async (argv) => (root === "/" ? runProgram(argv) : undefined);
  const undone = flags["dry-run"] ? await undoneBy(files, registry) : await undoSetup(files, registry, run);
  if (undone === undefined)
    throw new UsageError(`nothing was set up for ${registry} here: there is nothing to take back`);
  if (flags.json) writeJson(stdout, { registry, files: undone });
  else
    stdout.write(
      `${flags["dry-run"] ? "Would be taken" : "Taken"} back for ${registry}:\n${describeUndone(undone)}`,
    );
  return undone.some(({ outcome }) => outcome === "kept") ? 1 : 0;
}
