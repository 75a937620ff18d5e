#!/usr/bin/env node
import { runBerth } from "./runtime.mjs";

process.exitCode = await runBerth(process.argv.slice(2));
