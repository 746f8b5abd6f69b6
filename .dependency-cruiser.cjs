/**
 * The layers, checked: an arrow that is not listed here fails.
 *
 *   apps/demo ──► everything
 *   trainer-rlhf, eval ──► gpt-core (its entry points only)
 *   gpt-core ──► vision-clip, attention, corpus, tokenizers, compute
 *   vision-clip ──► attention, tokenizer-bbpe, compute
 *   attention ──► compute        corpus ──► tokenizers        tokenizer-bbpe ──► tokenizer-bpe
 */
const allowed = {
  'tokenizer-bpe': [],
  'tokenizer-bbpe': ['tokenizer-bpe'],
  compute: [],
  attention: ['compute'],
  corpus: ['tokenizer-bpe', 'tokenizer-bbpe'],
  'vision-clip': ['attention', 'tokenizer-bbpe', 'compute'],
  'gpt-core': ['vision-clip', 'attention', 'tokenizer-bpe', 'tokenizer-bbpe', 'corpus', 'compute'],
  'trainer-rlhf': ['gpt-core'],
  eval: ['gpt-core'],
};

const layerRules = Object.entries(allowed).map(([name, below]) => ({
  name: `layer-${name}`,
  severity: 'error',
  comment: `${name} may depend on: ${below.join(', ') || 'nothing of ours'}`,
  from: { path: `^packages/${name}/` },
  to: {
    path: '^(packages|apps)/',
    pathNot: [`^packages/${name}/`, ...below.map((other) => `^packages/${other}/`)],
  },
}));

/** Another package is reached through its entry points (what `exports` names), never by a path into it. */
const entryRules = Object.keys(allowed).map((name) => ({
  name: `entry-points-of-${name}`,
  severity: 'error',
  comment: 'import the package by name; deep paths are private',
  from: { path: '^(packages|apps)/', pathNot: `^packages/${name}/` },
  to: { path: `^packages/${name}/`, dependencyTypes: ['local', 'localmodule'] },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    ...entryRules,
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'node-builtins-only-in-node-entry-points',
      severity: 'error',
      comment:
        'library code runs in the browser; Node built-ins belong under src/node/, src/cli/ or *.node.ts',
      from: {
        path: '^packages/[^/]+/src/',
        pathNot: [
          '/src/(node|cli)/',
          '\\.node\\.ts$',
          '\\.test\\.ts$',
          '^packages/(corpus|eval|trainer-rlhf)/',
        ],
      },
      // A module that is imported only when a function of it is called does no harm in a browser.
      to: { dependencyTypes: ['core'], dependencyTypesNot: ['type-only', 'type-import'], dynamic: false },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { pathNot: '\\.(test|bench)\\.ts$' },
      to: { couldNotResolve: true, path: '^(\\.|@gpt-lineage)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|data|fixtures|results|tmp|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@gpt-lineage/source', 'import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.cjs', '.js', '.json'],
    },
  },
};
