import { z } from "zod";
import { RegistryError } from "../../oci/errors.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import { faultKinds, type VerificationRow, verifyStages } from "../../store/metadata/verification.ts";
import { type Operation, operation } from "./operations.ts";

const count = z.number().int();
const verificationAnswer = z.object({
  id: count,
  by: z
    .enum(["server", "command", "repair"])
    .describe("The server by itself, berth verify, or berth verify --repair"),
  startedAt: z.string(),
  updatedAt: z.string(),
  finishedAt: z.string().optional().describe("Absent while it is under way, or broken off"),
  stage: z.enum(verifyStages),
  counts: z.object({
    ...{ manifests: count, tags: count, links: count, blobs: count, bytes: count, files: count },
    ...{ faults: count, mended: count },
  }),
});
const faultAnswer = z.object({
  kind: z.enum(faultKinds),
  subject: z.string(),
  repository: z.string().optional(),
  detail: z.string(),
  mended: z.string().optional(),
});

/** Verifications, and faults of one, that an answer has at most. */
const [mostVerifications, mostFaults] = [10, 1000];

/** What verifications found. */
export function createVerificationOperations({ verification }: Metadata): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/verifications",
      summary: "The latest verifications, and how many blobs are known to be lost",
      response: z.object({ lostBlobs: count, verifications: z.array(verificationAnswer) }),
      need: () => ({ kind: "registry", action: "read" }),
      async run() {
        const verifications = (await verification.list(mostVerifications)).map(toAnswer);
        return { lostBlobs: await verification.countLost(), verifications };
      },
    }),
    operation({
      method: "GET",
      path: "/verifications/{id}/faults",
      summary: "What a verification found wrong, the first thousand",
      params: z.strictObject({ id: z.coerce.number().int() }),
      response: z.object({ faults: z.array(faultAnswer) }),
      need: () => ({ kind: "registry", action: "read" }),
      async run({ params: { id } }) {
        if (!(await verification.get(id))) {
          throw new RegistryError(
            "REQUEST_INVALID",
            `there is no verification ${id}: GET /api/v1/verifications has the latest`,
          );
        }
        return { faults: (await verification.listFaults(id, mostFaults)).map((fault) => ({ ...fault })) };
      },
    }),
  ];
}

function toAnswer(row: VerificationRow): z.input<typeof verificationAnswer> {
  const { id, by, stage, counts, startedAt, updatedAt, finishedAt } = row;
  return {
    ...{ id, by, stage, counts: { ...counts } },
    startedAt: new Date(startedAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
    ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt).toISOString() }),
  };
}
