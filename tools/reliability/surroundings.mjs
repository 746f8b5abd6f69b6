// The same work under other clocks, time zones and languages must give the same bytes: a time zone a day ahead, a language
// with other letters for I, one with other digits, a clock that stands in another century and jumps back.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('./surroundings-child.mjs', import.meta.url));
const wrongClock = `data:text/javascript,${encodeURIComponent(`
  const [RealDate, realNow] = [Date, Date.now];
  let calls = 0;
  const wrong = () => realNow() + (calls++ % 2 === 0 ? 1 : -1) * 3.2e12;
  globalThis.Date = class extends RealDate {
    constructor(...args) { super(...(args.length === 0 ? [wrong()] : args)); }
    static now() { return wrong(); }
  };
`)}`;

const surroundings = {
  'as it is': {},
  'time zone a day ahead': { env: { TZ: 'Pacific/Kiritimati' } },
  'time zone a day behind': { env: { TZ: 'Pacific/Niue' } },
  Turkish: { env: { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' } },
  Arabic: { env: { LC_ALL: 'ar_EG.UTF-8', LANG: 'ar_EG.UTF-8' } },
  German: { env: { LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8' } },
  'no language': { env: { LC_ALL: 'C', LANG: 'C' } },
  'a clock that jumps by centuries': { args: ['--import', wrongClock] },
};

/** @param short only three of them @returns one line of the report for each surrounding */
export function changeSurroundings({ short = false } = {}) {
  let expected;
  const few = ['as it is', 'Turkish', 'a clock that jumps by centuries'];
  const wanted = Object.entries(surroundings).filter(([name]) => !short || few.includes(name));
  return wanted.map(([name, { env = {}, args = [] }]) => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [...process.execArgv, ...args, child], {
      env: { ...process.env, TZ: 'UTC', ...env },
      encoding: 'utf8',
    });
    if (status !== 0) return { name, failures: [`exit code ${status}: ${stderr.slice(-400)}`] };
    const found = JSON.parse(stdout);
    expected ??= found;
    const other = Object.keys(expected).filter((part) => found[part] !== expected[part]);
    return { name, parts: Object.keys(found).length, failures: other.map((part) => `${part} differs`) };
  });
}
