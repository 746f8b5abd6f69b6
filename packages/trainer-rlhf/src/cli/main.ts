#!/usr/bin/env node
import { runCli } from './program.js';

runCli(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
