// Shows code of the packages in the guide: a fence `ts from=packages/…/file.ts#name` holds that declaration as it
// stands in the sources, so the guide cannot drift from what runs. A name that is gone stops the build.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = resolve(fileURLToPath(import.meta.url), '../../..');

/** The text of a declaration, or of a method as `Class.method`, with its comment when `comment` is set. */
export function declaration(file, name, { comment = false } = {}) {
  const text = readFileSync(join(root, file), 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  let found = source;
  for (const part of name.split('.')) {
    found = member(found, part);
    if (!found) throw new Error(`${file} declares no ${name}: mend the guide page that shows it`);
  }
  const statement = ts.isVariableDeclaration(found) ? found.parent.parent : found;
  const start = comment ? statement.getFullStart() : statement.getStart(source);
  return dedent(text.slice(start, statement.getEnd()).replace(/^\n+/, ''), source, start);
}

function member(node, name) {
  const candidates = ts.isSourceFile(node)
    ? node.statements.flatMap((statement) =>
        ts.isVariableStatement(statement) ? [...statement.declarationList.declarations] : [statement],
      )
    : (node.members ?? []);
  // An overloaded function has its body last.
  return candidates.filter((candidate) => candidate.name?.getText() === name).at(-1);
}

/** Methods stand indented in their class; here they begin at the margin. */
function dedent(text, source, start) {
  const { character } = source.getLineAndCharacterOfPosition(start);
  return text
    .split('\n')
    .map((line) => (line.slice(0, character).trim() === '' ? line.slice(character) : line))
    .join('\n');
}

/** The markdown-it plugin. */
export function sourceFences(md) {
  md.core.ruler.before('normalize', 'gpt-lineage-source', (state) => {
    state.src = state.src.replace(/^```ts from=(\S+)#(\S+)\n```$/gm, (_, file, name) => {
      const code = declaration(file, name);
      return `\`\`\`ts\n${code}\n\`\`\`\n\n<p class="source">${file}</p>`;
    });
  });
}
