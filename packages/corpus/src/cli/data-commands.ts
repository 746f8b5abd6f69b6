import type { Command } from 'commander';

/** Commands on single files: one stage each. */
export function addDataCommands(_program: Command, _signal: AbortSignal): void {}
