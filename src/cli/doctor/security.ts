import { X509Certificate } from "node:crypto";
import { createTransport } from "#transport";
import { TransportError } from "../../client/transport.ts";
import { nameFault } from "../../server/tls/certificate-files.ts";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import { type Peer, shakeHands } from "../reach/handshake.ts";
import { type AuthorityFile, authoritiesFor, systemAuthorities } from "../setup/authorities.ts";
import { fetchAuthority } from "../setup/authority.ts";
import { asRoot, type Check, type Facts, type Result } from "./checks.ts";

/** Whether it speaks HTTPS. */
export const tlsCheck: Check = {
  name: "tls",
  needs: ["port"],
  async run({ peer, host, registry }) {
    const at = known(peer);
    try {
      const { certificate } = await shakeHands(at);
      return { state: "fine", says: "it speaks HTTPS", facts: { scheme: "https", certificate } };
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const answer = await ask(at, registry, "http").catch(() => undefined); // then it speaks neither
      if (!answer)
        return {
          state: "wrong",
          says: `it speaks neither HTTPS (${error.message}) nor HTTP: is a registry there?`,
        };
      return {
        state: "note",
        says: "it speaks plain HTTP, which whoever is between can read and change",
        mend: `berth setup server ${host}`,
        hint: "on the server",
        facts: { scheme: "http", answer },
      };
    }
  },
};

/** Whether its certificate is for this name, and for now. */
export const certificateCheck: Check = {
  name: "certificate",
  needs: ["tls"],
  run({ certificate, host }): Result {
    if (!certificate) return { state: "fine", says: "none is needed for plain HTTP" };
    const shown = new X509Certificate(certificate);
    const renew = { mend: `berth setup server --add ${host}`, hint: "on the server" };
    const misnamed = nameFault(shown, host);
    if (misnamed !== undefined) return { state: "wrong", says: misnamed, ...renew };
    if (Date.parse(shown.validTo) < Date.now())
      return { state: "wrong", says: `it expired on ${shown.validTo}`, ...renew };
    if (Date.parse(shown.validFrom) > Date.now())
      return {
        state: "wrong",
        says: `it is not valid before ${shown.validFrom}`,
        mend: asRoot("timedatectl set-ntp true"),
        hint: "here, or on the machine that made it: its clock was ahead, or this machine's is behind",
      };
    return { state: "fine", says: `it is for ${host}, until ${shown.validTo}` };
  },
};

/** Whether somebody whom this machine trusts vouches for it. */
export const authorityCheck: Check = {
  name: "authority",
  needs: ["certificate"],
  async run({ peer, registry, machine, scheme }) {
    if (scheme === "http") return { state: "fine", says: "nobody vouches for plain HTTP" };
    const at = known(peer);
    const system = systemAuthorities(machine);
    const isTrustedBySystem = system !== undefined && (await isVouched(at, system.text));
    const facts = { isTrustedBySystem };
    const first = isTrustedBySystem ? system : await firstVouching(at, authoritiesFor(registry, machine));
    if (first) {
      const says = `it is vouched for by ${first.file}`;
      const trust = { mend: asRoot(`berth setup client ${registry} --ca-file ${first.file}`) };
      return { state: "fine", says, facts: { ...facts, authority: first.text, trust } };
    }
    if ((await shakeHands(at)).distrust === undefined)
      return { state: "fine", says: "this machine trusts it", facts };
    const says = "nobody whom this machine trusts vouches for it";
    const offered = await fetchAuthority(at, registry).then(fingerprintOf, () => undefined); // it need not have one
    const [what, hint] =
      offered === undefined
        ? ["--ca-file FILE", "with its authority's certificate for FILE"]
        : [`--fingerprint ${offered}`, "if the server shows the same fingerprint"];
    const trust = { mend: asRoot(`berth setup client ${registry} ${what}`), hint };
    return { state: "wrong", says, ...trust, facts: { ...facts, trust } };
  },
};

async function firstVouching(
  peer: Peer,
  files: readonly AuthorityFile[],
): Promise<AuthorityFile | undefined> {
  for (const one of files) if (await isVouched(peer, one.text)) return one;
  return undefined;
}

async function isVouched(peer: Peer, authorities: string): Promise<boolean> {
  return (await shakeHands(peer, [authorities])).distrust === undefined;
}

/** Most seconds by which clocks may differ: tokens and certificates hold that much. */
const clockSeconds = 60;

/** Whether both clocks say the same. */
export const clockCheck: Check = {
  name: "clock",
  needs: ["tls"],
  async run({ peer, registry, scheme = "https", answer: before }) {
    const answer = before ?? (await ask(known(peer), registry, scheme));
    const date = Date.parse(answer.headers.get("date") ?? "");
    if (Number.isNaN(date))
      return { state: "note", says: "the server does not tell the time", facts: { answer } };
    const seconds = Math.round((Date.now() - date) / 1000);
    if (Math.abs(seconds) <= clockSeconds)
      return { state: "fine", says: "both clocks say the same", facts: { answer } };
    const says = `this machine's clock is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} the server's`;
    return {
      state: "wrong",
      says,
      mend: asRoot("timedatectl set-ntp true"),
      hint: "on the machine whose clock is wrong",
      facts: { answer },
    };
  },
};

/** Asks what every client asks first, trusting whatever is shown, as nothing secret is sent. */
async function ask(peer: Peer, registry: string, scheme: "https" | "http") {
  const transport = createTransport({
    acceptAnyCertificate: true,
    proxies: false,
    addressOf: () => peer.address,
  });
  try {
    const url = new URL(`${scheme}://${registry}/v2/`);
    const { status, headers, body } = await transport.send({ method: "GET", url, headers: {} });
    await body.cancel();
    return { status, headers };
  } finally {
    transport.close();
  }
}

function known(peer: Facts["peer"]): Peer {
  if (peer) return peer;
  throw new Error("nobody takes connections"); // the port's check is needed before
}
