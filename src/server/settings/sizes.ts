import { z } from "zod";

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Bytes in a settings file: a number, or `50GiB`, `500 MB`. */
export const sizeSetting = z
  .union([z.number().int().min(0), z.string()])
  .transform((given, context): number => {
    if (typeof given === "number") return given;
    const [, count, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(given.trim()) ?? [];
    const factor = units[unit.toLowerCase()];
    if (count !== undefined && factor !== undefined) return Math.floor(Number(count) * factor);
    context.addIssue({ code: "custom", message: "expected bytes, for example 50GiB or 500MB" });
    return z.NEVER;
  });
