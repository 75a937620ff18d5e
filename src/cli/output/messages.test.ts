import { expect, test } from "bun:test";
import { recordOutput } from "../../../tests/fixtures/command-lines.ts";
import { printError, printWarning } from "./messages.ts";

test("printError and printWarning colour on a terminal who speaks, and not what is said", () => {
  const [terminal, pipe] = [recordOutput(80), recordOutput()];
  for (const { output: stderr } of [terminal, pipe]) {
    printError({ stderr, env: {} }, "it is gone");
    printWarning({ stderr, env: {} }, "it is old");
  }
  expect(pipe.text()).toBe("berth: it is gone\nberth: warning: it is old\n");
  expect(terminal.text()).toBe(
    "\u001b[31mberth:\u001b[0m it is gone\n\u001b[33mberth: warning:\u001b[0m it is old\n",
  );
});

test("printWarning says the same once, also to two who ask for it", () => {
  const { output: stderr, text } = recordOutput();
  for (const warning of ["it is old", "it is far", "it is old"]) printWarning({ stderr, env: {} }, warning);
  printWarning({ stderr: { ...stderr }, env: {} }, "it is old");
  expect(text()).toBe("berth: warning: it is old\nberth: warning: it is far\nberth: warning: it is old\n");
});
