#!/usr/bin/env node
import { runBerth } from "./program.mjs";

process.exitCode = await runBerth(process.argv.slice(2));
