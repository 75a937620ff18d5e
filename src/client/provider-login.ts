import { quote, RegistryError } from "../oci/errors.ts";
import type { OperationOptions } from "../registry/registry.ts";
import type { Answer } from "./exchanges.ts";
import type { Remote } from "./remote.ts";

/** A login that a person confirms in a browser. https://www.rfc-editor.org/rfc/rfc8628#section-3.2 */
export interface DeviceLogin {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  /** The same with the code in it. */
  readonly verificationUriComplete?: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Seconds to wait before each question whether it was confirmed. */
  readonly interval: number;
}

/** What a build job got for its own token. */
export interface WorkloadLogin {
  readonly username: string;
  readonly password: string;
  /** Seconds. */
  readonly expiresIn: number;
}

/** Logs in to a Berth by what somebody else vouches for. */
export interface ProviderLogin {
  /** @throws RegistryError UNSUPPORTED when the registry has no provider */
  beginDeviceLogin(options?: OperationOptions): Promise<DeviceLogin>;
  /**
   * Resolves to what to log in again with; `pending` and `slower` while nobody confirmed it.
   * @throws RegistryError UNAUTHORIZED when it was refused or came too late
   */
  pollDeviceLogin(
    deviceCode: string,
    options?: OperationOptions,
  ): Promise<{ readonly refreshToken: string } | "pending" | "slower">;
  /** @throws RegistryError UNAUTHORIZED; DENIED when no rule lets it in; UNSUPPORTED */
  exchangeWorkloadToken(token: string, options?: OperationOptions): Promise<WorkloadLogin>;
}

const tokenType = "urn:ietf:params:oauth:token-type:jwt";

export function createProviderLogin(remote: Remote): ProviderLogin {
  const action = `log in to ${remote.name}`;
  const post = (
    path: string,
    form: Record<string, string>,
    accept: readonly number[],
    options?: OperationOptions,
  ) =>
    remote.ask(
      {
        method: "POST",
        to: new URL(path, remote.urlOf("")),
        scopes: [],
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new TextEncoder().encode(new URLSearchParams(form).toString()),
        ...{ action, accept, notFound: "UNSUPPORTED" },
        isOnce: true,
      },
      options,
    );
  return {
    async beginDeviceLogin(options) {
      const answer = fieldsOf(await post("/login/device", {}, [200], options), remote.name);
      const complete = answer.text("verification_uri_complete");
      return {
        deviceCode: answer.required("device_code"),
        userCode: answer.required("user_code"),
        verificationUri: answer.required("verification_uri"),
        expiresIn: answer.number("expires_in", 600),
        interval: answer.number("interval", 5),
        ...(complete === undefined ? {} : { verificationUriComplete: complete }),
      };
    },
    async pollDeviceLogin(deviceCode, options) {
      const form = {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: deviceCode,
        client_id: "berth",
      };
      const found = await post("/token", form, [200, 400], options);
      const answer = fieldsOf(found, remote.name);
      if (found.status === 200) return { refreshToken: answer.required("refresh_token") };
      const error = answer.text("error");
      if (error === "authorization_pending") return "pending";
      if (error === "slow_down") return "slower";
      throw new RegistryError("UNAUTHORIZED", `cannot ${action}: it answered ${quote(error ?? "nothing")}`);
    },
    async exchangeWorkloadToken(token, options) {
      const form = {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token_type: tokenType,
        subject_token: token,
      };
      const answer = fieldsOf(await post("/token", form, [200], options), remote.name);
      return {
        username: answer.required("username"),
        password: answer.required("access_token"),
        expiresIn: answer.number("expires_in", 300),
      };
    },
  };
}

/** Reads the fields of a JSON answer. */
function fieldsOf({ bytes }: Answer, registry: string) {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    value = undefined; // each field is then missing
  }
  const fields = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}; // read with care below
  const text = (name: string): string | undefined => {
    const field = fields[name];
    return typeof field === "string" ? field : undefined;
  };
  return {
    text,
    number: (name: string, otherwise: number): number => {
      const field = fields[name];
      return typeof field === "number" && field > 0 ? field : otherwise;
    },
    required(name: string): string {
      const found = text(name);
      if (found) return found;
      throw new RegistryError("UNSUPPORTED", `${registry} answered without ${name}: is it a Berth?`);
    },
  };
}
