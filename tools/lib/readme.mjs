/** Source of every block fenced as ```ts run. */
export function examplesOf(markdown) {
  return [...markdown.matchAll(/^```ts run\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
}

export const firstExample = (markdown) => examplesOf(markdown)[0];

/**
 * An ES module that only imports, as CommonJS that requires the same and may still await.
 */
export function asCommonJS(code) {
  const body = code.replace(
    /^import\s+(?:(\w+)\s*,?\s*)?(?:\*\s+as\s+(\w+)|\{([^}]*)\})?\s*from\s*(['"][^'"]+['"]);$/gm,
    (_, standard, all, named, from) => {
      const lines = [];
      if (standard) lines.push(`const ${standard} = require(${from}).default ?? require(${from});`);
      if (all) lines.push(`const ${all} = require(${from});`);
      if (named) lines.push(`const {${named.replace(/\s+as\s+/g, ': ')}} = require(${from});`);
      return lines.join(' ');
    },
  );
  return `(async () => {\n${body}\n})().catch((error) => {\n  console.error(error);\n  process.exitCode = 1;\n});\n`;
}
