#!/usr/bin/env node
// From a fresh clone to a workspace that is installed and built: what `npm start` and `npm test` do first.
import { main } from './lib/steps.mjs';
import { setUp } from './lib/workspace.mjs';

await main(() => setUp());
