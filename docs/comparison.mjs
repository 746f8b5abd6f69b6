// The comparison page: every committed bench result, as measured, beside the peers of the same run.
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { committedResults } from '../tools/lib/bench-results.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../..');

const number = (value) =>
  typeof value === 'number' ? Number(value.toPrecision(3)).toLocaleString('en') : '–';
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('<', '&lt;');

function table({ results }) {
  const rows = results
    .filter(({ ours }) => typeof ours === 'number')
    .map(({ case: name, metric, unit, ours, peers = {}, ratio = {} }) => {
      const others = Object.entries(peers).map(([peer, value]) => {
        const times = typeof ratio[peer] === 'number' ? ` (${number(ratio[peer])} ×)` : '';
        return `${cell(peer)} ${number(value)}${times}`;
      });
      return `| ${cell(name)} | ${cell(metric)}${unit ? `, ${cell(unit)}` : ''} | **${number(ours)}** | ${others.join('<br>') || '–'} |`;
    });
  return [
    '| case | what | ours | peers (how many times better ours is) |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const machine = ({ machine: m, date }) =>
  typeof m === 'object'
    ? [
        m.cpu,
        m.threads && `${m.threads} threads`,
        m.node && `Node ${String(m.node).replace(/^v/, '')}`,
        m.date ?? date,
      ]
        .filter(Boolean)
        .join(', ')
    : [m, date].filter(Boolean).join(', ');

const sections = readdirSync(join(root, 'packages')).flatMap((name) => {
  const benches = committedResults(join(root, 'packages', name));
  if (benches.length === 0) return [];
  const parts = benches.map((bench) => `### ${bench.bench}\n\n${cell(machine(bench))}\n\n${table(bench)}`);
  return [`## ${name}\n\n${parts.join('\n\n')}`];
});

writeFileSync(
  join(root, 'docs/comparison.md'),
  `# Comparison

What \`pnpm bench\` measured, as it is committed with each package: our number, the peers found on the machine in the
same run, and the ratio. A ratio above 1 means that ours is better; below 1, that it is not. Repeat any of it with
\`pnpm bench <package>\`.

## What others have

| | GPT Lineage | transformers.js | gpt-tokenizer, tiktoken | TensorFlow.js alone | PyTorch, transformers |
|---|---|---|---|---|---|
| token counting, exact ids | yes | yes | yes | – | yes |
| training a tokenizer | yes | – | – | – | yes |
| training a model | yes | – | – | by hand | yes |
| sparse attention with sparse cost | yes | – | – | – | kernels on GPUs |
| decoding with a cache, in browser and Node | yes | yes | – | – | Node: – |
| alignment: reward models, PPO, DPO, GRPO | yes | – | – | – | yes (TRL) |
| evaluation with lm-evaluation-harness's numbers | yes | – | – | – | yes |
| checkpoints of Hugging Face, both ways | yes | reads ONNX | – | – | yes |

${sections.join('\n\n')}
`,
);
console.log(`comparison of ${sections.length} packages`);
