// The API reference, from the docstrings of what the packages export.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, LogLevel } from 'typedoc';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const out = join(root, 'docs/api');
const packages = [
  ...['tokenizer-bpe', 'tokenizer-bbpe', 'compute', 'attention', 'corpus'],
  ...['vision-clip', 'gpt-core', 'trainer-rlhf', 'eval'],
];

rmSync(out, { recursive: true, force: true });
const sidebar = [];
for (const name of packages) {
  const folder = join(root, 'packages', name);
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [join(folder, 'src/index.ts')],
    tsconfig: join(folder, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    out: join(out, name),
    readme: 'none',
    name: `@gpt-lineage/${name}`,
    disableSources: true,
    excludePrivate: true,
    excludeInternal: true,
    skipErrorChecking: true,
    logLevel: LogLevel.Error,
    hideBreadcrumbs: true,
    outputFileStrategy: 'modules',
    fileExtension: '.md',
    entryFileName: 'index',
    useCodeBlocks: true,
    sanitizeComments: true,
  });
  const project = await app.convert();
  if (!project) throw new Error(`no API reference for ${name}: see the errors above`);
  await app.generateOutputs(project);
  sidebar.push({ text: name, link: `/api/${name}/` });
}
mkdirSync(out, { recursive: true });
const rows = packages.map((name) => {
  const { description } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  return `| [\`${name}\`](./${name}/index.md) | ${description} |`;
});
writeFileSync(
  join(out, 'index.md'),
  `# API reference\n\n| package | what it is |\n|---|---|\n${rows.join('\n')}\n`,
);
writeFileSync(join(out, 'sidebar.json'), JSON.stringify([{ text: 'Packages', items: sidebar }], null, 2));
for (const name of packages)
  if (!existsSync(join(out, name, 'index.md')))
    throw new Error(`the API reference of ${name} was not written`);
console.log(`API reference of ${packages.length} packages`);
