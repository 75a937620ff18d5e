import { type ErrorCode, isRegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import type { Scope } from "../oci/scopes.ts";
import type { OperationOptions } from "../registry/registry.ts";
import { createAuthorizer } from "./auth.ts";
import type { CredentialSource } from "./credentials.ts";
import { type Answer, createExchanger, type Exchange, ExchangeError } from "./exchanges.ts";
import { type Attempt, failureOf, unreachable } from "./failures.ts";
import type { RetryPolicy } from "./retries.ts";
import type { Transport } from "./transport.ts";
import { onceEach, parseWarnings } from "./warnings.ts";

/** What a registry is asked. */
export interface Question
  extends Pick<Exchange, "method" | "headers" | "body" | "size" | "isOnce" | "streams"> {
  /** A path below `/v2/`, or an address that the registry gave. */
  readonly to: string | URL;
  readonly scopes: readonly Scope[];
  /** Stands behind "cannot" in messages. */
  readonly action: string;
  /** Statuses that are no error. */
  readonly accept: readonly number[];
  /** The code of an answer 404 that names none; NAME_UNKNOWN if absent. */
  readonly notFound?: ErrorCode;
  /** Takes `notFound` whatever an answer 404 names. */
  readonly isAlwaysNotFound?: boolean;
  /** An answer 404 to a request that was repeated is no error: an attempt whose answer was lost has done it. */
  readonly isDoneWhenGone?: boolean;
}

/** The registry at the other end, with all that concerns no single operation taken care of. */
export interface Remote {
  /** As it was named to the client. */
  readonly name: string;
  readonly policy: RetryPolicy;
  urlOf(path: string): URL;
  /** A repository for messages. */
  nameOf(repository: RepositoryName): string;
  /**
   * @throws RegistryError what the registry answered, UNAVAILABLE when it did not; the body's own error;
   *   `signal.reason`
   */
  ask(question: Question, options?: OperationOptions): Promise<Answer>;
  /**
   * Lets a registry ask who is there, if it has not yet: before what it answers to everybody, and with more to whom it
   * knows. @throws as `ask`, but for refusals
   */
  introduce(options?: OperationOptions): Promise<void>;
}

/** Options of {@link createRemote}. */
export interface RemoteOptions {
  readonly name: string;
  /** Scheme, host and port. */
  readonly url: URL;
  readonly transport: Transport;
  readonly policy: RetryPolicy;
  readonly userAgent: string;
  readonly credentials?: CredentialSource | undefined;
  readonly onWarning?: ((warning: string) => void) | undefined;
  readonly onRefreshToken?: ((token: string) => void) | undefined;
}

export function createRemote(options: RemoteOptions): Remote {
  const { name, url, transport, policy, userAgent, credentials } = options;
  const tell = onceEach(options.onWarning ?? (() => {}));
  const exchanger = createExchanger({
    transport,
    policy,
    userAgent,
    onAnswer({ headers }, from) {
      if (from.origin === url.origin)
        for (const warning of parseWarnings(headers.get("warning"))) tell(warning);
    },
  });
  const authorizer = createAuthorizer({
    registry: name,
    url,
    exchanger,
    onRefreshToken: options.onRefreshToken,
    ...(credentials ? { credentials } : {}),
  });
  const urlOf = (path: string): URL => new URL(`/v2/${path}`, url);

  const ask: Remote["ask"] = async (question, { signal } = {}) => {
    const {
      to,
      action,
      accept,
      notFound = "NAME_UNKNOWN",
      isAlwaysNotFound,
      isDoneWhenGone,
      ...exchange
    } = question;
    const attempt: Attempt = { ...authorizer, action, notFound, isAlwaysNotFound };
    const target = typeof to === "string" ? urlOf(to) : to;
    try {
      const answer = await exchanger({ ...exchange, url: target, signal }, authorizer);
      if (accept.includes(answer.status) && !isWebPage(answer, question)) return answer;
      if (answer.status === 404 && isDoneWhenGone && answer.attempts > 1) return answer;
      await answer.body?.cancel();
      throw failureOf(answer, attempt);
    } catch (error) {
      throw error instanceof ExchangeError ? unreachable(error, attempt) : error;
    }
  };

  let isIntroduced = false;
  return {
    name,
    policy,
    urlOf,
    nameOf: (repository) => `${name}/${repository}`,
    ask,
    async introduce(askOptions) {
      if (isIntroduced || authorizer.isAsked()) return;
      const accept = [200, 401, 403, 404];
      try {
        await ask({ method: "GET", to: "", scopes: [], action: `reach ${name}`, accept }, askOptions);
      } catch (error) {
        if (!isRegistryError(error, "UNAUTHORIZED", "DENIED")) throw error; // the request that follows tells it
      }
      isIntroduced = true;
    },
  };
}

/** Web servers that are no registry answer 200 to anything. What a blob is called does not matter. */
function isWebPage({ status, headers }: Answer, { streams }: Question): boolean {
  return status === 200 && !streams && (headers.get("content-type") ?? "").startsWith("text/html");
}
