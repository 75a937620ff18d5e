import type { PeopleLogin } from "../../access/oidc/oidc.ts";
import type { StartedLogin } from "../../access/oidc/provider.ts";
import { secretHash } from "../../access/secrets.ts";
import { makeRefreshToken } from "../../access/token-service.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { AccessMetadata } from "../../store/metadata/access.ts";
import type { Pages } from "../handler.ts";
import type { Forwarding } from "../network/forwarding.ts";
import { emptyResponse, jsonResponse } from "../responses.ts";
import { readCookie, requireOwnOrigin, sessionCookieName } from "./sessions.ts";
import type { LoginRecorder } from "./token-endpoint.ts";

export interface LoginPagesOptions extends Pick<Forwarding, "baseUrlOf" | "prefixOf"> {
  readonly people: PeopleLogin;
  readonly access: AccessMetadata;
  readonly loggedIn: LoginRecorder;
}

const stateCookie = "berth_login";
const stateLifetimeS = 600;

/** Logging in with a provider: `/login` and its way back for browsers, `/login/device` for the command line. */
export function createLoginPages(options: LoginPagesOptions): Pages {
  const { people, access, loggedIn, baseUrlOf, prefixOf } = options;
  return {
    "/login": async (query, request, connection) => {
      requireMethod(request, "GET");
      const base = baseUrlOf(request, connection);
      const { url, login } = await people.begin(`${base}/login/callback`);
      const kept = { ...login, target: localPath(query.get("then")) ?? `${prefixOf(request, connection)}/` };
      return redirect(url.href, [cookie(stateCookie, encode(kept), base, stateLifetimeS, "Lax")]);
    },
    "/login/callback": async (query, request, connection) => {
      requireMethod(request, "GET");
      const base = baseUrlOf(request, connection);
      const kept = decode(readCookie(request, stateCookie));
      if (!kept) throw new RegistryError("UNAUTHORIZED", `the login was not begun here: go to ${base}/login`);
      const account = await people.finish(new URL(`${base}/login/callback?${query}`), kept);
      loggedIn(account, request, connection, "browser");
      const session = await makeRefreshToken(access, { account }, "browser", people.sessionMs);
      return redirect(kept.target, [
        cookie(stateCookie, "", base, 0, "Lax"),
        cookie(sessionCookieName, session, base, Math.floor(people.sessionMs / 1000), "Strict"),
      ]);
    },
    "/logout": async (_query, request, connection) => {
      requireMethod(request, "POST");
      const base = baseUrlOf(request, connection);
      const session = readCookie(request, sessionCookieName);
      if (session !== undefined) {
        requireOwnOrigin(request, base);
        await endSession(access, session);
      }
      return redirect(`${prefixOf(request, connection)}/`, [
        cookie(sessionCookieName, "", base, 0, "Strict"),
      ]);
    },
    // https://www.rfc-editor.org/rfc/rfc8628#section-3.2
    "/login/device": async (_query, request) => {
      requireMethod(request, "POST");
      const begun = await people.beginDevice();
      return jsonResponse(
        200,
        {
          device_code: begun.deviceCode,
          user_code: begun.userCode,
          verification_uri: begun.verificationUri,
          ...(begun.verificationUriComplete && { verification_uri_complete: begun.verificationUriComplete }),
          expires_in: begun.expiresIn,
          interval: begun.interval,
        },
        { "cache-control": "no-store" },
      );
    },
  };
}

async function endSession(access: AccessMetadata, session: string): Promise<void> {
  const credential = await access.findCredential(secretHash(session), Date.now());
  if (credential?.kind === "refresh") await access.revokeCredential(credential.accountId, credential.id);
}

function requireMethod({ method }: Request, wanted: string): void {
  if (method !== wanted) throw new RegistryError("UNSUPPORTED", `${method} is not supported here`);
}

/** Only a path of this server: a login must not send people elsewhere. */
function localPath(text: string | null): string | undefined {
  return text !== null && /^\/(?![/\\])[\x21-\x7e]*$/.test(text) ? text : undefined;
}

function redirect(location: string, cookies: readonly string[]): Response {
  const response = emptyResponse(302, { location, "cache-control": "no-store" });
  for (const one of cookies) response.headers.append("set-cookie", one);
  return response;
}

function cookie(
  name: string,
  value: string,
  base: string,
  maxAgeS: number,
  sameSite: "Lax" | "Strict",
): string {
  const secure = base.startsWith("https:") ? "; Secure" : "";
  return `${name}=${value}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=${sameSite}${secure}`;
}

type Kept = StartedLogin & { readonly target: string };

function encode(kept: Kept): string {
  return Buffer.from(JSON.stringify(kept)).toString("base64url");
}

/** What came back in the cookie, if it has the form of what was kept. */
function decode(text: string | undefined): Kept | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text ?? "", "base64url").toString());
    const { state, nonce, verifier, target } = value as Partial<Record<keyof Kept, unknown>>; // each is looked at next
    if (![state, nonce, verifier, target].every((part) => typeof part === "string" && part !== ""))
      return undefined;
    return { ...(value as Kept), target: localPath(String(target)) ?? "/" }; // safe: just checked
  } catch {
    return undefined; // no cookie, or not ours
  }
}
