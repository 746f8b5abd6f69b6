/** What stands in the last `\boxed{…}` or `\fbox{…}` (braces may nest), or after `\boxed `; `undefined` without one. */
export function lastBoxed(text: string): string | undefined {
  const at = Math.max(text.lastIndexOf('\\boxed'), text.lastIndexOf('\\fbox'));
  if (at < 0) return undefined;
  const open = text.indexOf('{', at);
  const name = /^\\(?:boxed|fbox) /u.exec(text.slice(at));
  if (name) return text.slice(at + name[0].length).split('$', 1)[0];
  if (open < 0) return undefined;
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '{') depth += 1;
    if (text[i] === '}') depth -= 1;
    if (depth === 0) return text.slice(open + 1, i);
  }
  return undefined;
}

/**
 * The final answer of a solution in one spelling, so that equal answers are equal texts: without spaces, units, signs of
 * degree, percent and currency; fractions and roots with braces; `0.5` as a fraction. After Hendrycks et al. 2021
 * (MATH), whose rules these are.
 */
export function mathAnswer(text: string): string {
  let answer = lastBoxed(text) ?? lastStatement(text);
  answer = answer
    .replaceAll('\n', '')
    .replaceAll('\\!', '')
    .replaceAll('\\\\', '\\')
    .replaceAll('tfrac', 'frac')
    .replaceAll('dfrac', 'frac')
    .replaceAll('\\left', '')
    .replaceAll('\\right', '')
    .replaceAll('^{\\circ}', '')
    .replaceAll('^\\circ', '')
    .replaceAll('\\$', '')
    .replaceAll('$', '')
    .replace(/\\text\{ .*$/u, '') // a unit after the number
    .replaceAll('\\%', '')
    .replaceAll('%', '')
    .replaceAll(' .', ' 0.')
    .replaceAll('{.', '{0.')
    .replace(/^\./u, '0.');
  const sides = answer.split('=');
  if (sides.length === 2 && sides[0]!.length <= 2) answer = sides[1]!; // x = 5
  answer = answer
    .replace(/\\sqrt([^{\s])/gu, '\\sqrt{$1}')
    .replaceAll(' ', '')
    .replace(/\\frac(\d)(\d)/gu, '\\frac{$1}{$2}')
    .replace(/\\frac(\d)\{/gu, '\\frac{$1}{')
    .replace(/(\\frac\{[^{}]*\})(\d)/gu, '$1{$2}');
  if (answer === '0.5') return '\\frac{1}{2}';
  return answer.replace(/^(-?\d+)\/(-?\d+)$/u, '\\frac{$1}{$2}').replace(/\.$/u, '');
}

/** Of a solution without a box: what follows "answer is", or the last line. */
function lastStatement(text: string): string {
  const said = [...text.matchAll(/answer is:?\s*(.+?)(?:\.\s|\.?$|I hope)/gimu)].at(-1)?.[1];
  return said ?? text.trim().split('\n').at(-1) ?? '';
}
