import { createHmac, randomBytes } from "node:crypto";
import { RegistryError } from "../oci/errors.ts";
import type { AccessMetadata, AccountRow, CredentialRow } from "../store/metadata/access.ts";
import type { AttemptLimiter } from "./attempts.ts";
import { dropOldest } from "./bounded.ts";
import type { PasswordChecker } from "./passwords.ts";
import { isSecret, secretHash } from "./secrets.ts";

/** An account that proved to be itself, and by what; without a credential it was a password. */
export interface Login {
  readonly account: AccountRow;
  readonly credential?: CredentialRow;
}

/** Checks passwords and secrets. */
export interface Logins {
  /**
   * By user name and password, where the password may be a token of the account's.
   * @throws RegistryError UNAUTHORIZED, alike whatever is wrong; TOOMANYREQUESTS with `retryAfter` seconds as detail
   */
  byPassword(username: string, password: string, address: string): Promise<Login>;
  /** By a token or, when `kind` says so, by what a client logs in again with. @throws RegistryError UNAUTHORIZED */
  bySecret(secret: string, kind: CredentialRow["kind"]): Promise<Login>;
}

export interface LoginsOptions {
  readonly access: AccessMetadata;
  readonly attempts: AttemptLimiter;
  readonly passwords: PasswordChecker;
  /** Told of what was wrong; without a name when there is no such account: what was typed may be a password. */
  readonly failed?: (account: string | undefined, address: string, reason: string) => void;
  readonly now?: () => number;
}

/** A refusal comes no sooner, so that it does not tell which hash was compared, if any. */
const refusalMs = 300;
/** A password that was right is not hashed again for so long, as clients send it with each request. */
const rememberMs = 10 * 60_000;
const mostRemembered = 10_000;
/** Stands for the user name where a client has only a token; docker writes so. */
const anyUser = ["", "<token>"];

export function createLogins(options: LoginsOptions): Logins {
  const { access, attempts, passwords, failed = () => {}, now = Date.now } = options;
  const isRight = rememberRight(passwords, now);

  const bySecret = async (secret: string, kind: CredentialRow["kind"]): Promise<Login> => {
    const credential = isSecret(secret) ? await access.findCredential(secretHash(secret), now()) : undefined;
    const account = credential && (await access.getAccount(credential.accountId));
    if (!account || account.disabled || credential.kind !== kind) {
      throw new RegistryError(
        "UNAUTHORIZED",
        "the token is not valid: it is wrong, has expired or was revoked",
      );
    }
    return { account, credential };
  };

  return {
    bySecret,
    async byPassword(username, password, address) {
      const account = await access.findAccount(username);
      if (isSecret(password)) {
        const login = await bySecret(password, "token").catch((error) => {
          failed(account?.name, address, "a token that is not valid");
          throw error;
        });
        if (anyUser.includes(username) || login.account.name === username) return login;
        failed(login.account.name, address, "a token under another user name");
        throw new RegistryError("UNAUTHORIZED", "the token is not valid for this user name");
      }
      if (account && !account.disabled && isRight.already(account, password)) return { account };
      const attempt = attempts.begin(username, address);
      if ("waitMs" in attempt) {
        failed(account?.name, address, "too many wrong passwords before");
        throw tooMany(attempt.waitMs);
      }
      const earliest = new Promise((resolve) => setTimeout(resolve, refusalMs));
      const right = await isRight.now(account, password);
      if (right && account && !account.disabled) {
        attempt.succeed();
        return { account };
      }
      failed(account?.name, address, account?.disabled ? "the account is disabled" : "a wrong password");
      await earliest;
      throw new RegistryError("UNAUTHORIZED", "the user name or the password is wrong");
    },
  };
}

function tooMany(waitMs: number): RegistryError {
  const retryAfter = Math.ceil(waitMs / 1000);
  return new RegistryError(
    "TOOMANYREQUESTS",
    `too many wrong passwords: try again in ${retryAfter} ${retryAfter === 1 ? "second" : "seconds"}`,
    { detail: { retryAfter } },
  );
}

/** Remembers which password was right for which hash, as a keyed digest of both. */
function rememberRight(passwords: PasswordChecker, now: () => number) {
  const key = randomBytes(32);
  const until = new Map<string, number>();
  const digestOf = (hash: string, password: string): string =>
    createHmac("sha256", key).update(hash).update("\0").update(password).digest("base64");
  return {
    already: (account: AccountRow, password: string): boolean =>
      account.password !== undefined && (until.get(digestOf(account.password, password)) ?? 0) > now(),
    async now(account: AccountRow | undefined, password: string): Promise<boolean> {
      const right = await passwords.verify(password, account?.password);
      if (!right || account?.password === undefined) return false;
      until.set(digestOf(account.password, password), now() + rememberMs);
      dropOldest(until, mostRemembered);
      return true;
    },
  };
}
