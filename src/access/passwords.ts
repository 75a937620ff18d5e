import { RegistryError } from "../oci/errors.ts";

/** OWASP's parameters of argon2id: 19 MiB, two passes; about 30 ms on one core. */
const parameters = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;

/** Hashes are slow on purpose: this many at once, so that they never take all cores or much memory. */
const atOnce = 2;
/** Who comes when this many wait is sent away. */
const mostWaiting = 64;

/** The fewest and most characters of a password. */
export const passwordLength = { least: 8, most: 256 } as const;

/** Compares passwords with hashes, off the event loop. */
export interface PasswordChecker {
  /**
   * Takes as long for no hash as for a wrong password.
   * @throws RegistryError TOOMANYREQUESTS when too many wait already
   */
  verify(password: string, hash: string | undefined): Promise<boolean>;
}

/** Hashes a password with argon2id. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, parameters);
}

/** Why a password cannot be one, if so. */
export function passwordFault(password: string): string | undefined {
  if (password.length < passwordLength.least)
    return `a password has at least ${passwordLength.least} characters`;
  if (password.length > passwordLength.most)
    return `a password has at most ${passwordLength.most} characters`;
  return undefined;
}

export function createPasswordChecker(): PasswordChecker {
  let running = 0;
  const waiting: (() => void)[] = [];
  let nobody: Promise<string> | undefined;

  const enter = async (): Promise<void> => {
    if (running < atOnce) {
      running++;
      return;
    }
    if (waiting.length >= mostWaiting) {
      throw new RegistryError("TOOMANYREQUESTS", "too many log in at once: try again in some seconds", {
        detail: { retryAfter: 5 },
      });
    }
    await new Promise<void>((resolve) => waiting.push(resolve)); // whoever leaves hands on the place
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };

  return {
    async verify(password, hash) {
      if (password.length > passwordLength.most) return false;
      await enter();
      try {
        nobody ??= hashPassword("nobody has this one");
        const right = await Bun.password.verify(password, hash ?? (await nobody)).catch(() => false); // no hash
        return right && hash !== undefined;
      } finally {
        leave();
      }
    },
  };
}
