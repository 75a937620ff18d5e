import { expect, test } from "bun:test";
import { formatTable } from "./tables.ts";

test("formatTable lays out columns as docker images does", () => {
  const rows = [
    ["alpine", "3.20", "91ef0af61f39", "2 months ago", "7.8MB"],
    [
      "registry.example.com:5000/gallery/ui",
      "<none>",
      "3fbc632167424a6d997e74f52b878d7cc478225cffac6bc977eedfe51c7f4e79",
      "3 days ago",
      "1.2GB",
    ],
  ];
  // As docker 28.2.2 prints it, apart from the values.
  expect(formatTable(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], rows)).toBe(
    [
      "REPOSITORY                             TAG       IMAGE ID                                                           CREATED        SIZE",
      "alpine                                 3.20      91ef0af61f39                                                       2 months ago   7.8MB",
      "registry.example.com:5000/gallery/ui   <none>    3fbc632167424a6d997e74f52b878d7cc478225cffac6bc977eedfe51c7f4e79   3 days ago     1.2GB",
      "",
    ].join("\n"),
  );
});

test("formatTable leaves room for characters that are two columns wide", () => {
  expect(formatTable(["NAME", "SIZE"], [["画廊画廊画廊", "1B"]])).toBe(
    "NAME           SIZE\n画廊画廊画廊   1B\n",
  );
});

test("formatTable leaves the headers out when there are none", () => {
  expect(formatTable([], [["a", "b"]])).toBe("a         b\n");
  expect(formatTable(["NAME"], [])).toBe("NAME\n");
});
