import type { Login, Logins } from "../access/logins.ts";
import type { IssuedToken, TokenService } from "../access/token-service.ts";
import { RegistryError } from "../oci/errors.ts";
import { formatScope, parseScopes } from "../oci/scopes.ts";
import { addressOf } from "./addresses.ts";
import type { Connection } from "./context.ts";
import { jsonResponse } from "./responses.ts";

export interface TokenEndpointOptions {
  readonly logins: Logins;
  readonly issue: TokenService;
}

/** What a client asks for, in whichever of the two ways. */
interface Asked {
  readonly form: URLSearchParams;
  readonly login: Login | undefined;
  readonly offline: boolean;
}

const longestForm = 64 * 1024;

/**
 * The token service: GET as https://distribution.github.io/distribution/spec/auth/token/, POST as
 * https://distribution.github.io/distribution/spec/auth/oauth/.
 */
export function createTokenEndpoint({ logins, issue }: TokenEndpointOptions) {
  return async (query: URLSearchParams, request: Request, connection: Connection): Promise<Response> => {
    const address = () => addressOf(request, connection);
    const asked =
      request.method === "POST"
        ? await readForm(logins, request, address)
        : await readQuery(logins, query, request, address);
    const scopes = asked.form.getAll("scope").flatMap(parseScopes);
    const client = asked.form.get("client_id") ?? "";
    return answer(await issue({ login: asked.login, offline: asked.offline, scopes, client }));
  };
}

async function readQuery(
  logins: Logins,
  query: URLSearchParams,
  request: Request,
  address: () => string,
): Promise<Asked> {
  if (request.method !== "GET")
    throw new RegistryError("UNSUPPORTED", `${request.method} is not supported here`);
  const header = request.headers.get("authorization");
  return {
    form: query,
    login: header === null ? undefined : await loginByHeader(logins, header, address),
    offline: query.get("offline_token") === "true",
  };
}

async function loginByHeader(logins: Logins, header: string, address: () => string): Promise<Login> {
  const [, encoded] = /^basic +(\S+)$/i.exec(header) ?? [];
  const text = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0)
    throw new RegistryError("UNAUTHORIZED", "log in with user name and password, or user name and token");
  return byPair(logins, text.slice(0, colon), text.slice(colon + 1), address);
}

/** Docker sends what it logs in again with as the password of `<token>` to services that know no POST. */
function byPair(logins: Logins, username: string, password: string, address: () => string): Promise<Login> {
  if (password.startsWith("berth_refresh_")) return logins.bySecret(password, "refresh");
  return logins.byPassword(username, password, address());
}

async function readForm(logins: Logins, request: Request, address: () => string): Promise<Asked> {
  if (Number(request.headers.get("content-length") ?? 0) > longestForm)
    throw new RegistryError("REQUEST_INVALID", "the form is too long");
  const text = await request.text();
  if (text.length > longestForm) throw new RegistryError("REQUEST_INVALID", "the form is too long");
  const form = new URLSearchParams(text);
  const offline = form.get("access_type") === "offline";
  switch (form.get("grant_type")) {
    case "password": {
      const [username, password] = [form.get("username") ?? "", form.get("password") ?? ""];
      return { form, offline, login: await byPair(logins, username, password, address) };
    }
    case "refresh_token": {
      const secret = form.get("refresh_token") ?? "";
      return { form, offline: false, login: await logins.bySecret(secret, "refresh") };
    }
    default:
      throw new RegistryError("REQUEST_INVALID", "grant_type must be password or refresh_token");
  }
}

function answer(issued: IssuedToken): Response {
  const { token, expiresIn, issuedAt, scopes, refreshToken } = issued;
  return jsonResponse(
    200,
    {
      token,
      access_token: token,
      token_type: "Bearer",
      expires_in: expiresIn,
      issued_at: issuedAt.toISOString(),
      scope: scopes.map(formatScope).join(" "),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    },
    { "cache-control": "no-store" },
  );
}
