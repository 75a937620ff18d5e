import { createHash, randomBytes } from "node:crypto";

/** What a secret is for, told by its beginning, so that a scanner for leaked secrets finds it. */
const prefixes = {
  person: "berth_pat_",
  robot: "berth_robot_",
  refresh: "berth_refresh_",
  workload: "berth_job_",
} as const;

/** A new secret of 256 random bits. It is shown once; what is stored is its {@link secretHash}. */
export function makeSecret(kind: keyof typeof prefixes): string {
  return prefixes[kind] + randomBytes(32).toString("base64url");
}

/** Whether `text` is a token and not a password. */
export function isSecret(text: string): boolean {
  return secretShape.test(text);
}

const secretShape = /^berth_(?:pat|robot|refresh|job)_[A-Za-z0-9_-]{43}$/;

/** SHA-256: slow hashes are for what people think up, not for random bits. */
export function secretHash(secret: string): Uint8Array {
  return createHash("sha256").update(secret).digest();
}

/** A short public name for a credential. */
export function makeCredentialId(): string {
  return randomBytes(6).toString("hex");
}

/** A password for one who will choose another: 120 random bits, without letters that look alike. */
export function makePassword(): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(randomBytes(24), (byte) => letters[byte % letters.length]).join("");
}
