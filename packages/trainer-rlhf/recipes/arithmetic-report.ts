/**
 * Puts the seeds of arithmetic.ts together: reports/arithmetic.json and the table of reports/arithmetic.md.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/arithmetic-report.ts runs/arithmetic-1.json runs/arithmetic-2.json …
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { seededRandom } from '../src/trainers/seeded-order.js';

interface Evaluation {
  readonly accuracy: number;
  readonly workShown: number;
  readonly accuracyWithWork: number;
  readonly accuracyWithout: number;
  readonly outcomes?: readonly number[];
}
interface Stage {
  readonly greedy: Evaluation;
  readonly sampled: Evaluation;
  readonly seconds: number | null;
}
interface Run {
  readonly seed: number;
  readonly backend: string;
  readonly parameters: number;
  readonly heldOut: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly sft: Stage;
  readonly selfImprovement: Stage & { readonly rounds: readonly Readonly<Record<string, number>>[] };
  readonly grpo: Stage & { readonly rewards: readonly number[] };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const round = (value: number) => Math.round(value * 1e4) / 1e4;
const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part) =>
      key === 'outcomes'
        ? undefined
        : typeof part === 'number' && !Number.isInteger(part)
          ? Number(part.toPrecision(4))
          : part,
    ),
  );

/**
 * Paired bootstrap over the items: 95 % interval of the mean difference. With several seeds each draw takes seeds with
 * replacement, and items within each (a hierarchical bootstrap).
 */
function pairedBootstrap(differences: readonly (readonly number[])[], draws = 5000): [number, number] {
  const random = seededRandom(1, 95);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const means = Float64Array.from({ length: draws }, () => {
    const seeds = differences.length === 1 ? differences : differences.map(() => pick(differences));
    return mean(seeds.map((list) => mean(list.map(() => pick(list)))));
  }).sort();
  return [round(means[Math.floor(0.025 * draws)]!), round(means[Math.ceil(0.975 * draws) - 1]!)];
}

/** 97.5 % points of Student's t for 1 to 9 degrees of freedom. */
const T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
/** 95 % interval of a mean over seeds. */
function tInterval(values: readonly number[]): [number, number] | undefined {
  const t = T975[values.length - 2];
  if (t === undefined) return undefined;
  const centre = mean(values);
  const deviation = Math.sqrt(
    mean(values.map((value) => (value - centre) ** 2)) * (values.length / (values.length - 1)),
  );
  const half = (t * deviation) / Math.sqrt(values.length);
  return [round(centre - half), round(centre + half)];
}

/** Per held-out item: 1 = only the later model is right, −1 = only the SFT model, 0 = both or neither. */
const differencesOf = (run: Run, stage: 'selfImprovement' | 'grpo') =>
  run[stage].greedy.outcomes!.map((right, item) => right - run.sft.greedy.outcomes![item]!);
function gain(run: Run, stage: 'selfImprovement' | 'grpo') {
  const differences = differencesOf(run, stage);
  return {
    points: round(mean(differences)),
    interval95: pairedBootstrap([differences]),
    won: differences.filter((value) => value > 0).length,
    lost: differences.filter((value) => value < 0).length,
  };
}

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')) as Run);
if (runs.length === 0) throw new Error('Give the files that arithmetic.ts wrote.');
const overall = (stage: 'selfImprovement' | 'grpo') => {
  const gains = runs.map((run) => mean(differencesOf(run, stage)));
  return {
    points: round(mean(gains)),
    interval95: pairedBootstrap(runs.map((run) => differencesOf(run, stage))),
    tInterval95: tInterval(gains),
  };
};
const [first] = runs as [Run];
const report = {
  task: "GPT-3's public three-digit addition set, exact match, greedy",
  backend: first.backend,
  parameters: first.parameters,
  heldOut: first.heldOut,
  settings: first.settings,
  gains: { selfImprovement: overall('selfImprovement'), grpo: overall('grpo') },
  seeds: runs.map((run) => ({
    seed: run.seed,
    sft: run.sft,
    selfImprovement: { gain: gain(run, 'selfImprovement'), ...run.selfImprovement },
    grpo: {
      gain: gain(run, 'grpo'),
      ...run.grpo,
      rewards: run.grpo.rewards.filter(
        (_, iteration, all) => iteration % 5 === 0 || iteration === all.length - 1,
      ),
    },
  })),
};
const folder = new URL('../reports/', import.meta.url);
writeFileSync(new URL('arithmetic.json', folder), `${JSON.stringify(rounded(report), null, 1)}\n`);

const percent = (value: number) => (100 * value).toFixed(1);
const cell = (run: Run, stage: 'selfImprovement' | 'grpo') => {
  const { points, interval95 } = gain(run, stage);
  return `${percent(run[stage].greedy.accuracy)} (+${percent(points)}, ${interval95.map(percent).join(' to ')})`;
};
console.log(
  '| seed | SFT | self-improvement (gain, 95 % interval) | GRPO (gain, 95 % interval) |\n|---|---|---|---|',
);
for (const run of runs) {
  console.log(
    `| ${run.seed} | ${percent(run.sft.greedy.accuracy)} | ${cell(run, 'selfImprovement')} | ${cell(run, 'grpo')} |`,
  );
}
console.log(JSON.stringify(report.gains));
