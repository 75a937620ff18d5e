import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { TransportError } from "../../client/transport.ts";
import { transportErrorOf } from "../../client/transport-failures.ts";

/** Whom to shake hands with. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** The name that its certificate has to have. */
  readonly host: string;
}

/** What a server showed. */
export interface Handshake {
  /** Its own certificate, DER. */
  readonly certificate: Buffer;
  /** Why it is not trusted, as the runtime says it; `undefined` when it is. */
  readonly distrust: string | undefined;
}

const timeoutMs = 10_000;

/**
 * Begins TLS with a server, whatever it shows, and ends it.
 * @param authorities who may vouch for it (PEM); those of the runtime if absent
 * @throws TransportError when there is no TLS
 */
export function shakeHands(
  { address, port, host }: Peer,
  authorities?: readonly string[],
): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port,
      servername: isIP(host) ? "" : host,
      rejectUnauthorized: false,
      ...(authorities ? { ca: [...authorities] } : {}),
    });
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new TransportError("timeout", `no answer came for ${timeoutMs / 1000} s`)),
    );
    socket.once("error", (error) => reject(transportErrorOf(error)));
    socket.once("secureConnect", () => {
      const peer: DetailedPeerCertificate = socket.getPeerCertificate(true);
      const reason = socket.authorizationError as Error | string | null | undefined; // an Error, in some versions a code
      const distrust = socket.authorized
        ? undefined
        : String(reason instanceof Error ? reason.message : reason);
      resolve({ certificate: Buffer.from(peer.raw), distrust });
      socket.destroy();
    });
  });
}
