import { defineCommand } from "../command.ts";
import { completionScripts, shells } from "../completion/scripts.ts";

/** `berth completion SHELL`. */
export const completion = defineCommand({
  operands: { shell: { value: "SHELL", choices: shells } },
  flags: {},
  description: `SHELL is ${shells.join(", ")}. What it prints is for the shell to evaluate.`,
  examples: [
    { line: "source <(berth completion bash)", does: "in ~/.bashrc" },
    { line: "source <(berth completion zsh)", does: "in ~/.zshrc, behind compinit" },
    { line: "berth completion fish > ~/.config/fish/completions/berth.fish", does: "once" },
  ],
  async run({ operands: { shell }, stdout }) {
    stdout.write(completionScripts[shell]);
    return 0;
  },
});
