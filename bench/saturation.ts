// Uploads that keep a server's disk busy, from a process of their own: `saturation.ts URL UPLOADS BYTES`.
import { frame, makeContent, pushBlob } from "./load.ts";
import { mib } from "./measure.ts";

/** A load that goes on until it is stopped. */
export interface Saturation {
  /** Ends it. Resolves to how many bytes it sent, of uploads that were whole. */
  stop(): Promise<number>;
}

/** Begins `uploads` streamed uploads at a time of `size` bytes each, again and again. Resolves when the first has ended. */
export async function startSaturation(url: string, uploads: number, size: number): Promise<Saturation> {
  const child = Bun.spawn([process.execPath, import.meta.path, url, `${uploads}`, `${size}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reader = child.stdout.getReader();
  await reader.read();
  let sent = 0;
  const counting = (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      sent += size * value.filter((byte: number) => byte === 10).byteLength;
    }
  })();
  return {
    async stop() {
      child.kill("SIGKILL"); // in the middle of its uploads
      await counting;
      return sent;
    },
  };
}

async function run(url: string, uploads: number, size: number): Promise<void> {
  const lane = async (at: number): Promise<void> => {
    const content = makeContent(Math.min(size, 100 * mib));
    for (;;) {
      // Other bytes each time, so that none is there already.
      content.bytes.writeUInt32LE((content.bytes.readUInt32LE(8) + 1) >>> 0, 8);
      const digest = `sha256:${new Bun.CryptoHasher("sha256").update(content.bytes).digest("hex")}`;
      await pushBlob(
        url,
        `busy/r${at}`,
        { bytes: content.bytes, digest, framed: frame(content.bytes) },
        true,
      );
      process.stdout.write("\n");
    }
  };
  await Promise.all(Array.from({ length: uploads }, (_, at) => lane(at)));
}

const [url, uploads, size] = process.argv.slice(2);
if (import.meta.main && url) await run(url, Number(uploads), Number(size));
