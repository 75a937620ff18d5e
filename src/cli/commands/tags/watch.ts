import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { readEvents } from "../../../client/server-sent-events.ts";
import { isRegistryError } from "../../../oci/errors.ts";
import { type Context, defineCommand } from "../../command.ts";
import { managementFlags } from "../../management/management.ts";
import { type Change, changeAnswer, type PlanLine } from "../../management/tag-answers.ts";
import { type TagPlace, withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { shortDigest } from "../../output/tags/tables.ts";

const operands = { reference: { value: "REPOSITORY[:TAG]", completion: "reference" } } as const;
const flags = {
  since: {
    type: "number",
    value: "CHANGE",
    summary: "begin behind this change, 0 for all; what comes from now on if absent",
  },
  run: { type: "text", value: "COMMAND", summary: "run this at each move, with the shell" },
  ...managementFlags,
} as const;

type WatchContext = Context<typeof flags, typeof operands>;

/** How long until a stream that broke is asked for again. */
const againMs = 2000;

/** `berth tags watch`. */
export const tagsWatch = defineCommand({
  operands,
  flags,
  description: `Prints each move of a tag, or of every tag of a repository, as it happens, until it is interrupted; a connection that
breaks is made again, and nothing is left out. The command of --run finds what moved in BERTH_REFERENCE, BERTH_TAG,
BERTH_DIGEST (empty when the tag was removed), BERTH_BEFORE, BERTH_ACTION, BERTH_CHANGE; moves wait for it.`,
  examples: [
    {
      line: `berth tags watch localhost:5000/gallery/ui:2.1 --run 'deploy "$BERTH_DIGEST"'`,
      does: "deploys what 2.1 is",
    },
  ],
  run: (context) =>
    withTagPlace(context, context.operands.reference, async (place) => {
      let cursor = context.flags.since;
      for (let isFirst = true; ; isFirst = false) {
        try {
          cursor = await follow(context, place, cursor);
        } catch (error) {
          const isPassing = !isRegistryError(error) || error.code === "UNAVAILABLE";
          if (context.signal.aborted || !isPassing || (isFirst && cursor === undefined)) throw error;
          const reason = error instanceof Error ? error.message : String(error);
          context.stderr.write(`berth: ${reason}: trying again\n`);
        }
        await delay(againMs, undefined, { signal: context.signal });
      }
    }),
});

/** Follows one stream to its end. Resolves to the last change it told of. */
async function follow(
  context: WatchContext,
  { client, reference, name }: TagPlace,
  after: number | undefined,
): Promise<number | undefined> {
  const { repository, tag } = reference;
  const { signal } = context;
  const action = `follow ${name}`;
  const query = { repository, tag, after };
  const body = await client.follow({ method: "GET", path: "/events", query, action, signal });
  let cursor = after;
  try {
    for await (const { id, data } of readEvents(body)) {
      if (data !== undefined) await tell(context, name, changeAnswer.parse(JSON.parse(data)));
      if (id !== undefined) cursor = Number(id);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (isRegistryError(error) || cursor === undefined) throw error;
    context.stderr.write(`berth: the connection to ${name} broke: trying again\n`);
  }
  return cursor;
}

async function tell(context: WatchContext, name: string, change: Change): Promise<void> {
  const { flags, operands, stdout } = context;
  const wanted = operands.reference.slice(operands.reference.lastIndexOf("/")).split(":")[1];
  for (const move of change.moves) {
    if (wanted !== undefined && move.tag !== wanted) continue;
    const { tag, action, from, to, reason } = move;
    if (flags.json)
      writeJson(stdout, { change: change.id, at: change.at, actor: change.actor, repository: name, ...move });
    else {
      const arrow = `${shortDigest(from)} -> ${shortDigest(to)}`;
      stdout.write(`${change.at} ${name}:${tag} ${action} ${arrow} (${change.actor}: ${reason})\n`);
    }
    if (flags.run !== undefined) await runCommand(context, flags.run, name, change, move);
  }
}

/** Runs the command of a move to its end. One that fails is named, and watching goes on. */
async function runCommand(
  { stderr, env, cwd, signal }: WatchContext,
  command: string,
  name: string,
  { id }: Change,
  { tag, action, from = "", to = "" }: PlanLine,
): Promise<void> {
  const facts = {
    BERTH_REFERENCE: `${name}:${tag}`,
    BERTH_TAG: tag,
    BERTH_DIGEST: to,
    BERTH_BEFORE: from,
    BERTH_ACTION: action,
    BERTH_CHANGE: String(id),
  };
  const child = spawn("/bin/sh", ["-c", command], {
    ...{ cwd, signal, env: { ...env, ...facts } },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const problem = await new Promise<string | undefined>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("close", (code) =>
      done(code === 0 ? undefined : `exit code ${code ?? "none, a signal ended it"}`),
    );
  });
  if (problem !== undefined) stderr.write(`berth: the command for ${name}:${tag} failed: ${problem}\n`);
}
