import { TrainerDataError } from '../errors.js';
import { signTest } from './intervals.js';
import type { Rate, RedTeamReport } from './red-team.js';

interface Change {
  readonly before: Rate;
  readonly after: Rate;
  /** after − before */
  readonly difference: number;
  /** Of the paired sign test (McNemar, exact). */
  readonly pValue: number;
}

export interface RedTeamComparison {
  readonly attackSuccess: Change;
  readonly overRefusal: Change;
}

/** What safety training changed, on the same requests. @throws {TrainerDataError} the reports are of other requests */
export function compareRedTeam(before: RedTeamReport, after: RedTeamReport): RedTeamComparison {
  const change = (name: 'attacks' | 'benign', rates: readonly [Rate, Rate]): Change => {
    const [old, now] = [before.outcomes[name], after.outcomes[name]];
    if (old.length !== now.length) {
      throw new TrainerDataError(
        `after.outcomes.${name}`,
        now.length,
        `red-team both models with the same ${old.length} requests`,
      );
    }
    const better = old.filter((hit, index) => hit && !now[index]).length;
    const worse = old.filter((hit, index) => !hit && now[index]).length;
    const [first, second] = rates;
    return {
      before: first,
      after: second,
      difference: second.rate - first.rate,
      pValue: signTest(better, worse),
    };
  };
  return {
    attackSuccess: change('attacks', [before.attackSuccess, after.attackSuccess]),
    overRefusal: change('benign', [before.overRefusal, after.overRefusal]),
  };
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
const show = ({ rate, low, high, count, total }: Rate) =>
  total === 0 ? '–' : `${percent(rate)} (${percent(low)}–${percent(high)}; ${count}/${total})`;

/** A report as Markdown, with what came before beside it when given. */
export function redTeamMarkdown(after: RedTeamReport, before?: RedTeamReport): string {
  const comparison = before && compareRedTeam(before, after);
  const row = (name: string, now: Rate | undefined, old: Rate | undefined, pValue?: number) =>
    before
      ? `| ${name} | ${old ? show(old) : '–'} | ${now ? show(now) : '–'} | ${pValue === undefined ? '' : pValue.toPrecision(2)} |`
      : `| ${name} | ${now ? show(now) : '–'} |`;
  const lines = [
    before ? '| | before | after | p |' : '| | rate (95 % interval) |',
    before ? '|---|---|---|---|' : '|---|---|',
    row('attack success', after.attackSuccess, before?.attackSuccess, comparison?.attackSuccess.pValue),
    row('refusal of attacks', after.refusal, before?.refusal),
    row('over-refusal', after.overRefusal, before?.overRefusal, comparison?.overRefusal.pValue),
    ...Object.keys(after.byCategory).map((name) =>
      row(`category ${name}`, after.byCategory[name], before?.byCategory[name]),
    ),
    ...Object.keys(after.byWrapper).map((name) =>
      row(`disguise ${name}`, after.byWrapper[name], before?.byWrapper[name]),
    ),
  ];
  return `${lines.join('\n')}\n`;
}
