import { credentialName } from "../../access/accounts.ts";
import { parseBasic } from "../../access/basic-credentials.ts";
import type { Login, Logins } from "../../access/logins.ts";
import type { PeopleLogin } from "../../access/oidc/oidc.ts";
import type { Workloads } from "../../access/oidc/workloads.ts";
import type { IssuedToken, TokenService } from "../../access/token-service.ts";
import { RegistryError } from "../../oci/errors.ts";
import { formatScope, parseScopes } from "../../oci/scopes.ts";
import type { AccountRow } from "../../store/metadata/access.ts";
import type { Connection } from "../context.ts";
import { readBody } from "../distribution/bodies.ts";
import type { AddressOf } from "../network/addresses.ts";
import { jsonResponse } from "../responses.ts";

export interface TokenEndpointOptions {
  readonly logins: Logins;
  readonly addressOf: AddressOf;
  readonly issue: TokenService;
  /** Where people log in with a provider. */
  readonly people?: PeopleLogin | undefined;
  /** Where build jobs are let in. */
  readonly workloads?: Workloads | undefined;
  readonly loggedIn: LoginRecorder;
}

/** Records who logged in and by what: `password`, `token abc`, `device`, `browser`. */
export type LoginRecorder = (
  account: AccountRow,
  request: Request,
  connection: Connection,
  credential: string,
  detail?: string,
) => void;

/** What a client asks for, in whichever of the two ways. */
interface Asked {
  readonly form: URLSearchParams;
  readonly login: Login | undefined;
  readonly offline: boolean;
  readonly refreshMs?: number;
  /** How somebody logs in; absent where a client goes on with what an earlier login gave it. */
  readonly how?: string | undefined;
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const longestForm = 64 * 1024;

/**
 * The token service: GET as https://distribution.github.io/distribution/spec/auth/token/, POST as
 * https://distribution.github.io/distribution/spec/auth/oauth/.
 */
export function createTokenEndpoint(options: TokenEndpointOptions) {
  const { logins, issue, addressOf, loggedIn } = options;
  return async (query: URLSearchParams, request: Request, connection: Connection): Promise<Response> => {
    const address = () => addressOf(request, connection);
    const form = request.method === "POST" ? await readForm(request) : undefined;
    if (form?.get("grant_type") === exchangeGrant) return exchange(options, form, request, connection);
    const asked = form
      ? await loginByForm(options, form, request, connection)
      : await readQuery(logins, query, request, address);
    if (asked instanceof Response) return asked;
    const scopes = asked.form.getAll("scope").flatMap(parseScopes);
    const client = asked.form.get("client_id") ?? "";
    const { login, offline, refreshMs, how } = asked;
    // Clients that keep a password send it for every token: they log in where they ask for no right, or for something
    // to log in again with.
    if (login && how && (offline || scopes.length === 0)) loggedIn(login.account, request, connection, how);
    return answer(await issue({ login, offline, scopes, client, ...(refreshMs && { refreshMs }) }));
  };
}

async function readQuery(
  logins: Logins,
  query: URLSearchParams,
  request: Request,
  address: () => string,
): Promise<Asked> {
  if (request.method !== "GET")
    throw new RegistryError("UNSUPPORTED", `${request.method} is not supported here`, {
      detail: { allow: "GET, POST" },
    });
  const header = request.headers.get("authorization");
  const login = header === null ? undefined : await loginByHeader(logins, header, address);
  return {
    form: query,
    login,
    how: login && wayOf(login),
    offline: query.get("offline_token") === "true",
  };
}

async function loginByHeader(logins: Logins, header: string, address: () => string): Promise<Login> {
  const pair = parseBasic(header);
  if (!pair)
    throw new RegistryError("UNAUTHORIZED", "log in with user name and password, or user name and token");
  return byPair(logins, ...pair, address);
}

/** Docker sends what it logs in again with as the password of `<token>` to services that know no POST. */
function byPair(logins: Logins, username: string, password: string, address: () => string): Promise<Login> {
  if (password.startsWith("berth_refresh_")) return logins.bySecret(password, "refresh");
  return logins.byPassword(username, password, address());
}

function wayOf({ credential }: Login): string | undefined {
  return credential?.kind === "refresh" ? undefined : credentialName(credential);
}

async function readForm(request: Request): Promise<URLSearchParams> {
  const bytes = await readBody(request, longestForm, "the form");
  return new URLSearchParams(new TextDecoder().decode(bytes));
}

async function loginByForm(
  options: TokenEndpointOptions,
  form: URLSearchParams,
  request: Request,
  connection: Connection,
): Promise<Asked | Response> {
  const { logins, addressOf } = options;
  const offline = form.get("access_type") === "offline";
  switch (form.get("grant_type")) {
    case "password": {
      const [username, password] = [form.get("username") ?? "", form.get("password") ?? ""];
      const address = () => addressOf(request, connection);
      const login = await byPair(logins, username, password, address);
      return { form, offline, login, how: wayOf(login) };
    }
    case "refresh_token": {
      const secret = form.get("refresh_token") ?? "";
      return { form, offline: false, login: await logins.bySecret(secret, "refresh") };
    }
    case deviceGrant:
      return loginByDevice(options, form);
    default:
      throw new RegistryError(
        "REQUEST_INVALID",
        `grant_type must be password, refresh_token, ${deviceGrant} or ${exchangeGrant}`,
      );
  }
}

/** https://www.rfc-editor.org/rfc/rfc8628#section-3.4: the provider is asked each time that the client asks. */
async function loginByDevice(
  { people }: TokenEndpointOptions,
  form: URLSearchParams,
): Promise<Asked | Response> {
  if (!people) throw new RegistryError("UNSUPPORTED", "this registry has no provider to log in with");
  const account = await people.pollDevice(form.get("device_code") ?? "");
  // "the authorization server [...] error codes": the client goes on asking.
  if (typeof account === "string")
    return jsonResponse(400, { error: account }, { "cache-control": "no-store" });
  return { form, login: { account }, how: "device", offline: true, refreshMs: people.sessionMs };
}

/** https://www.rfc-editor.org/rfc/rfc8693: a job's token from its issuer becomes one of this registry's. */
async function exchange(
  { workloads, loggedIn }: TokenEndpointOptions,
  form: URLSearchParams,
  request: Request,
  connection: Connection,
): Promise<Response> {
  if (!workloads) throw new RegistryError("UNSUPPORTED", "this registry has no rules for workloads");
  const { account, secret, id, expiresAt, subject } = await workloads.exchange(
    form.get("subject_token") ?? "",
  );
  loggedIn(account, request, connection, `token ${id}`, subject);
  return jsonResponse(
    200,
    {
      access_token: secret,
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      token_type: "Bearer",
      expires_in: Math.floor((expiresAt - Date.now()) / 1000),
      username: account.name,
    },
    { "cache-control": "no-store" },
  );
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
