import type { NameSource } from "./completion.ts";

/** What images are usually built for. */
const platforms = [
  "linux/amd64",
  "linux/arm64",
  "linux/arm/v7",
  "linux/arm/v6",
  "linux/386",
  "linux/ppc64le",
  "linux/riscv64",
  "linux/s390x",
  "windows/amd64",
];

/** What this machine knows without asking another. */
export const namesAtHand: NameSource = async (kind) => (kind === "platform" ? platforms : []);
