import { isIP } from "node:net";
import tls from "node:tls";

const probeTimeoutMs = 3000;

/**
 * Whether a server answers a TLS handshake where plain HTTP was spoken with it: some close such a connection without a
 * word, which looks like a broken one. Sends nothing beyond the handshake and trusts nothing that it learns by it.
 */
export function answersTls(url: URL): Promise<boolean> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = tls.connect({
      host,
      port: Number(url.port || "80"),
      servername: isIP(host) ? "" : host,
      rejectUnauthorized: false, // to see whether it is TLS; nothing is sent
    });
    const end = (answers: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(end, probeTimeoutMs, false);
    socket.on("secureConnect", () => end(true));
    socket.on("error", () => end(false)); // what is wrong, the request itself has told
  });
}
