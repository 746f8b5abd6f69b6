#!/usr/bin/env node
// Every dependency has its reason in DEPENDENCIES.md, and every licence in the installed tree is one we accept.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import satisfies from 'spdx-satisfies';
import { main, run, StepError } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const accepted = [
  ...['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', '0BSD', 'CC0-1.0'],
  ...['Unlicense', 'Zlib', 'Python-2.0', 'CC-BY-4.0', 'MIT-0'],
];
/** Loaded as a shared library by sharp. */
const exceptions = [/^@img\/sharp-libvips-/];
/** Licence fields that are not SPDX, read by hand. */
const readByHand = { '(BSD-3-Clause AND Apache-2.0)': 'BSD-3-Clause AND Apache-2.0' };

const acceptable = (licence) => {
  try {
    return satisfies(readByHand[licence] ?? licence, accepted);
  } catch {
    return false;
  }
};

await main(async () => {
  const page = readFileSync(join(root, 'DEPENDENCIES.md'), 'utf8');
  for (const name of readdirSync(join(root, 'packages'))) {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
    const { dependencies, optionalDependencies, peerDependencies } = manifest;
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (dependency.startsWith('@gpt-lineage/') || page.includes(`\`${dependency}\``)) continue;
      throw new StepError(`${name} depends on ${dependency}`, 'say in DEPENDENCIES.md why, or do without it');
    }
  }
  const { output } = await run('pnpm', ['licenses', 'list', '--prod', '--json'], {
    cwd: root,
    env: environment(),
  });
  const byLicence = JSON.parse(output.slice(output.indexOf('{')));
  const foreign = Object.entries(byLicence).flatMap(([licence, packages]) =>
    acceptable(licence)
      ? []
      : packages
          .filter(({ name }) => !exceptions.some((exception) => exception.test(name)))
          .map(({ name }) => `${name} (${licence})`),
  );
  if (foreign.length > 0)
    throw new StepError(
      `licences to look at: ${foreign.join(', ')}`,
      'replace the package, or say why it is fine',
    );
  console.log(
    `${Object.values(byLicence).flat().length} packages, ${Object.keys(byLicence).length} licences`,
  );
});
