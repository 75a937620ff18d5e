import { describe, expect, test } from "bun:test";
import { formatAge, formatSize } from "./units.ts";

describe("formatSize", () => {
  test.each([
    [0, "0B"],
    [1, "1B"],
    [999, "999B"],
    [1000, "1kB"],
    [7_833_000, "7.83MB"],
    [10_500_000, "10.5MB"],
    [117_400_000, "117MB"],
    [999_900, "1MB"],
    [1_200_000_000, "1.2GB"],
    [2_500_000_000_000_000_000, "2500PB"],
  ])("formatSize of %p is %p as docker writes it", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  test("formatSize takes four digits where docker does", () => {
    expect(formatSize(10_485_760, 4)).toBe("10.49MB");
  });
});

describe("formatAge", () => {
  const minute = 60_000;
  const hour = 60 * minute;
  const day = 24 * hour;
  test.each([
    [-5000, "Less than a second ago"],
    [999, "Less than a second ago"],
    [1000, "1 second ago"],
    [59_000, "59 seconds ago"],
    [minute, "About a minute ago"],
    [2 * minute, "2 minutes ago"],
    [59 * minute, "59 minutes ago"],
    [hour, "About an hour ago"],
    [90 * minute, "2 hours ago"],
    [47 * hour, "47 hours ago"],
    [2 * day, "2 days ago"],
    [13 * day, "13 days ago"],
    [14 * day, "2 weeks ago"],
    [59 * day, "8 weeks ago"],
    [60 * day, "2 months ago"],
    [729 * day, "24 months ago"],
    [730 * day, "2 years ago"],
  ])("formatAge of %p ms is %p as docker writes it", (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
});
