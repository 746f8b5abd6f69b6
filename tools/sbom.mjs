#!/usr/bin/env node
// Writes a CycloneDX bill of materials for each package into the folder given (default sbom/).
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as CDX from '@cyclonedx/cyclonedx-library';
import { main, run } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const out = resolve(process.argv[2] ?? join(root, 'sbom'));

/** The tree that `pnpm list` prints, as one component per name and version. */
function collect(tree, components) {
  for (const [name, { version, dependencies = {} }] of Object.entries(tree ?? {})) {
    const key = `${name}@${version}`;
    if (!components.has(key)) {
      const [group, short] = name.startsWith('@') ? name.split('/') : [undefined, name];
      const [path, at] = [name.replace('@', '%40'), String(version).replace(/^link:.*/, 'workspace')];
      components.set(
        key,
        new CDX.Models.Component(CDX.Enums.ComponentType.Library, short, {
          group,
          version: at,
          bomRef: key,
          purl: `pkg:npm/${path}@${at}`,
        }),
      );
    }
    collect(dependencies, components);
  }
  return components;
}

await main(async () => {
  mkdirSync(out, { recursive: true });
  const serializer = new CDX.Serialize.JsonSerializer(
    new CDX.Serialize.JSON.Normalize.Factory(CDX.Spec.Spec1dot6),
  );
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const { output } = await run('pnpm', ['list', '--prod', '--json', '--depth', 'Infinity'], {
      cwd: folder,
      env: environment(),
    });
    const [{ dependencies, optionalDependencies }] = JSON.parse(output.slice(output.indexOf('[')));
    const bom = new CDX.Models.Bom();
    bom.metadata.component = new CDX.Models.Component(CDX.Enums.ComponentType.Library, name, {
      group: '@gpt-lineage',
      version: manifest.version,
      bomRef: `${manifest.name}@${manifest.version}`,
    });
    const components = collect({ ...dependencies, ...optionalDependencies }, new Map());
    for (const component of components.values()) bom.components.add(component);
    writeFileSync(join(out, `${name}.cdx.json`), serializer.serialize(bom, { sortLists: true, space: 2 }));
    console.log(`${name}: ${components.size} components`);
  }
});
