// The few shapes that the guide's pictures are made of. Colours are readable on a light page and on a dark one.
export const colours = {
  line: '#7c8594',
  text: '#6b7583',
  accent: '#3b7ddd',
  warm: '#d9822b',
  fill: '#3b7ddd22',
};

const markup = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export const text = (x, y, content, { anchor = 'middle', size = 13, fill = colours.text } = {}) =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="${fill}">${markup(content)}</text>`;

export const line = (points, { stroke = colours.line, width = 1.5, dash = '' } = {}) =>
  `<polyline points="${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')}" fill="none" stroke="${stroke}" stroke-width="${width}"${dash && ` stroke-dasharray="${dash}"`}/>`;

export const arrow = (points, options = {}) =>
  line(points, options).replace('/>', ' marker-end="url(#arrow)"/>');

export const box = (x, y, width, height, label, { stroke = colours.line, fill = 'none' } = {}) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="5" fill="${fill}" stroke="${stroke}" stroke-width="1.5"/>${text(x + width / 2, y + height / 2 + 4.5, label)}`;

export const picture = (width, height, title, ...shapes) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="ui-sans-serif, system-ui, sans-serif"><title>${markup(title)}</title><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="${colours.line}"/></marker></defs>${shapes.flat(Infinity).join('')}</svg>\n`;

/**
 * Curves over a range of x, with y from 0 to 1 unless `top` says otherwise.
 *
 * @param curves name → function of x
 */
export function plot(title, { from, to, top = 1, xLabel, yLabel, curves }) {
  const [left, right, upper, lower] = [56, 500, 20, 230];
  const at = (x, y) => [
    left + ((x - from) / (to - from)) * (right - left),
    lower - (y / top) * (lower - upper),
  ];
  const strokes = [colours.accent, colours.warm, colours.line];
  const shapes = Object.entries(curves).map(([name, curve], index) => {
    const xs = Array.from({ length: 101 }, (_, i) => from + ((to - from) * i) / 100);
    const stroke = strokes[index % strokes.length];
    return [
      line(
        xs.map((x) => at(x, curve(x))),
        { stroke, width: 2 },
      ),
      text(right + 12, 40 + index * 20, name, { anchor: 'start', fill: stroke }),
    ];
  });
  const axes = [line([at(from, top), at(from, 0), at(to, 0)])];
  for (const share of [0, 0.5, 1]) {
    axes.push(text(left - 8, at(from, share * top)[1] + 4, share * top, { anchor: 'end' }));
    const x = from + share * (to - from);
    axes.push(text(at(x, 0)[0], lower + 18, Number(x.toPrecision(3))));
  }
  axes.push(
    text((left + right) / 2, lower + 38, xLabel),
    text(left + 8, upper - 6, yLabel, { anchor: 'start' }),
  );
  return picture(700, lower + 48, title, axes, shapes);
}
