import { Random } from '@gpt-lineage/vision-clip';

/** A share, and its 95 % interval. */
export interface Share {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Measured {
  readonly mode: string;
  readonly task: string;
  readonly count: number;
  /** With Wilson intervals */
  readonly accuracy: Share;
  readonly twin?: Share;
  /** Paired, over the questions: 2,000 bootstrap samples */
  readonly difference?: Share;
  /** A guess among the answers that the kind of question has */
  readonly chance: number;
  /** A guess among the objects in the image: what a model gets that sees everything but the mark */
  readonly anyObject?: number;
  readonly right: { readonly model: readonly boolean[]; readonly twin?: readonly boolean[] };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Wilson's score interval. */
export function wilson(right: readonly boolean[]): Share {
  const [n, z] = [right.length, 1.96];
  const p = mean(right.map(Number));
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return { value: p, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** Difference of two accuracies on the same questions. */
export function difference(a: readonly boolean[], b: readonly boolean[], samples = 2000): Share {
  const gaps = a.map((right, i) => Number(right) - Number(b[i]));
  const random = new Random(17);
  const drawn = Array.from({ length: samples }, () =>
    mean(gaps.map(() => gaps[random.integer(gaps.length)]!)),
  ).sort((x, y) => x - y);
  return {
    value: mean(gaps),
    low: drawn[Math.floor(0.025 * samples)]!,
    high: drawn[Math.ceil(0.975 * samples) - 1]!,
  };
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
const points = (value: number) => `${value >= 0 ? '+' : '−'}${Math.abs(100 * value).toFixed(1)}`;
const interval = ({ value, low, high }: Share) => `**${percent(value)}** [${percent(low)}, ${percent(high)}]`;

function row(name: string, one: Omit<Measured, 'mode' | 'task' | 'right'>): string {
  const { accuracy, twin, difference: gap, chance, anyObject } = one;
  return `| ${[
    name,
    interval(accuracy),
    twin ? interval(twin) : '–',
    gap ? `${points(gap.value)} [${points(gap.low)}, ${points(gap.high)}]` : '–',
    percent(chance),
    anyObject === undefined ? '' : percent(anyObject),
  ].join(' | ')} |`;
}

export function markdown(results: readonly Measured[], setting: readonly string[]): string {
  const head =
    '| | model | blind twin | difference, points | chance | any object |\n|---|---|---|---|---|---|';
  const modes = [...new Set(results.map(({ mode }) => mode))];
  const pooled = modes.map((mode) => {
    const own = results.filter((one) => one.mode === mode && !one.task.includes('never seen'));
    const model = own.flatMap(({ right }) => right.model);
    const twin = own.flatMap(({ right }) => right.twin ?? []);
    return row(mode, {
      count: model.length,
      accuracy: wilson(model),
      ...(twin.length > 0 ? { twin: wilson(twin), difference: difference(model, twin) } : {}),
      chance: mean(own.map(({ chance }) => chance)),
      ...(mode === 'marks' ? { anyObject: mean(own.map(({ anyObject }) => anyObject!)) } : {}),
    });
  });
  return `# A small GPT that sees: accuracy by input mode

${setting.map((line) => `- ${line}`).join('\n')}
- The twin has the same architecture, tokenizer and kinds of questions, and never gets an image.
- Intervals are 95 %: Wilson's for accuracies, paired bootstrap for differences. *Chance*: a guess among the answers of that kind of question. *Any object*: a guess among the objects in the image, which needs sight but no mark.

## Input modes

${head}
${pooled.join('\n')}

## Tasks

${head}
${results.map((one) => row(`${one.mode}: ${one.task}`, one)).join('\n')}
`;
}
