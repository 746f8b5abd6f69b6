// Draws the guide's pictures into `public/pictures`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { pictures } from './pictures.mjs';

const out = new URL('../public/pictures/', import.meta.url);
mkdirSync(out, { recursive: true });
for (const [name, draw] of Object.entries(pictures)) writeFileSync(new URL(`${name}.svg`, out), await draw());
console.log(`${Object.keys(pictures).length} pictures`);
