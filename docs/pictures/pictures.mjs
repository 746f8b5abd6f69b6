// The guide's pictures, one for each page. Where a picture shows what code does, the code draws it.
import {
  bandedPattern,
  causalPattern,
  fixedPattern,
  stridedPattern,
  visualise,
} from '@gpt-lineage/attention';
import { chooseBands } from '@gpt-lineage/corpus';
import { passAtK } from '@gpt-lineage/eval';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { arrow, box, colours, line, picture, plot, text } from './svg.mjs';

/** How a word becomes tokens: the merges of a trained tokenizer, one row for each. */
async function merges() {
  const tokenizer = await BPETokenizer.train(['low low low lower newest newest widest'], { vocabSize: 40 });
  let parts = [...'lowes', 't</w>'];
  const rows = [parts];
  for (const [left, right] of tokenizer.merges.map((merge) =>
    Array.isArray(merge) ? merge : merge.split(' '),
  )) {
    const at = parts.findIndex((part, i) => part === left && parts[i + 1] === right);
    if (at < 0) continue;
    parts = parts.toSpliced(at, 2, left + right);
    rows.push(parts);
  }
  const shapes = rows.flatMap((row, y) => {
    let x = 150;
    const boxes = row.map((part) => {
      const width = 22 + 9 * part.length;
      x += width + 8;
      return box(
        x - width - 8,
        12 + y * 40,
        width,
        28,
        part,
        y > 0 && !rows[y - 1].includes(part) ? { stroke: colours.accent, fill: colours.fill } : {},
      );
    });
    return [text(12, 31 + y * 40, y === 0 ? 'characters' : `merge ${y}`, { anchor: 'start' }), ...boxes];
  });
  return picture(480, 20 + rows.length * 40, 'lowest, merged pair by pair', shapes);
}

/** Where the norms stand. */
function norms() {
  const kinds = {
    'post-LN: GPT-1': ['attention', '+', 'norm', 'MLP', '+', 'norm'],
    'pre-LN: GPT-2, GPT-3': ['norm', 'attention', '+', 'norm', 'MLP', '+'],
    sandwich: ['norm', 'attention', 'norm', '+', 'norm', 'MLP', 'norm', '+'],
  };
  const bottom = 350;
  const shapes = Object.entries(kinds).map(([name, parts], column) => {
    const x = 50 + column * 200;
    const drawn = [text(x + 45, bottom + 30, name)];
    let y = bottom;
    let branch = bottom;
    for (const part of parts) {
      y -= 40;
      const sum = part === '+';
      drawn.push(
        arrow([
          [x + 45, y + 40],
          [x + 45, y + 28],
        ]),
      );
      drawn.push(
        box(
          sum ? x + 31 : x,
          y,
          sum ? 28 : 90,
          28,
          part,
          part === 'norm' ? { stroke: colours.accent, fill: colours.fill } : {},
        ),
      );
      if (sum) {
        drawn.push(
          arrow([
            [x + 45, branch - 6],
            [x - 16, branch - 6],
            [x - 16, y + 14],
            [x + 31, y + 14],
          ]),
        );
        // After a post-norm, the next branch leaves above the norm.
        branch = name.startsWith('post') ? y - 40 : y;
      }
    }
    return drawn;
  });
  return picture(640, bottom + 44, 'Where the norms stand in a block', shapes);
}

/** Which keys each query sees. */
function patterns() {
  const kinds = {
    dense: causalPattern,
    'banded, W = 6': bandedPattern(6),
    'strided, l = 4': stridedPattern(4),
    'fixed, l = 4, c = 1': fixedPattern(4, 1),
  };
  const shapes = Object.entries(kinds).map(([name, pattern], column) => {
    const { svg, density } = visualise(pattern, { length: 16, cellSize: 9 });
    const x = 10 + column * 160;
    return [
      svg.replace('<svg ', `<svg x="${x}" y="8" `),
      text(x + 72, 172, name),
      text(x + 72, 190, `${Math.round(density * 100)} % of the triangle`, { size: 11 }),
    ];
  });
  return picture(650, 200, 'Which keys (columns) each query (row) sees', shapes);
}

/** InstructGPT's three steps. */
function feedback() {
  const steps = [
    ['1. demonstrations', ['prompt', 'a person answers', 'fine-tuning', 'SFT model']],
    ['2. comparisons', ['prompt, K answers', 'a person ranks', 'all pairs', 'reward model']],
    ['3. PPO-ptx', ['prompt', 'the policy answers', 'reward − β·KL', 'clipped update']],
  ];
  const shapes = steps.map(([name, parts], column) => {
    const x = 20 + column * 205;
    return [
      text(x + 75, 22, name, { fill: colours.accent }),
      parts.flatMap((part, row) => [
        box(x, 36 + row * 52, 150, 32, part, row === 3 ? { stroke: colours.accent, fill: colours.fill } : {}),
        row > 0
          ? arrow([
              [x + 75, 16 + row * 52],
              [x + 75, 36 + row * 52],
            ])
          : '',
      ]),
    ];
  });
  shapes.push(
    arrow([
      [170, 208],
      [197, 208],
      [197, 60],
      [225, 60],
    ]),
  );
  shapes.push(
    arrow([
      [375, 208],
      [402, 208],
      [402, 164],
      [430, 164],
    ]),
  );
  shapes.push(
    line(
      [
        [580, 208],
        [602, 208],
        [602, 104],
        [580, 104],
      ],
      { dash: '4 4' },
    ),
  );
  return picture(620, 240, 'The three steps of InstructGPT', shapes);
}

/** Segments and the memory that crosses their borders. */
function recurrence() {
  const shapes = [];
  const [size, layers] = [4, 3];
  const at = (position, layer) => [40 + position * 38 + Math.floor(position / size) * 26, 190 - layer * 58];
  for (let layer = 0; layer <= layers; layer++) {
    for (let position = 0; position < 3 * size; position++) {
      const [x, y] = at(position, layer);
      // One layer reaches the segment before; a stack of them reaches further.
      if (layer > 0) shapes.push(line([at(position, layer - 1), [x, y]], { width: 0.8 }));
      if (layer > 0 && position >= size) {
        const memory = at(position - size, layer - 1);
        shapes.push(line([memory, [x, y]], { stroke: colours.warm, width: 0.8, dash: '3 3' }));
      }
      shapes.push(`<circle cx="${x}" cy="${y}" r="6" fill="${colours.accent}"/>`);
    }
  }
  for (const segment of [0, 1, 2])
    shapes.push(text(at(segment * size + 1.5, 0)[0], 222, `segment ${segment + 1}`));
  return picture(580, 234, 'Each layer sees the segment before; memory (dashed) gets no gradient', shapes);
}

/** The step that banding makes of a similarity. */
function nearDuplicates() {
  const curves = [0.5, 0.7, 0.9].map((threshold) => {
    const { bands, rows } = chooseBands(threshold, 128);
    return [
      `threshold ${threshold}: ${bands} × ${rows}`,
      (similarity) => 1 - (1 - similarity ** rows) ** bands,
    ];
  });
  return plot('How often two documents are compared', {
    from: 0,
    to: 1,
    xLabel: 'Jaccard similarity of two documents',
    yLabel: 'chance to be compared',
    curves: Object.fromEntries(curves),
  });
}

/** The estimate of pass@k from twenty samples. */
function codeSamples() {
  const curves = [1, 5, 10].map((k) => [`k = ${k}`, (right) => passAtK(20, Math.round(right), k)]);
  return plot('pass@k of 20 samples', {
    from: 0,
    to: 20,
    xLabel: 'right ones among 20 samples',
    yLabel: 'pass@k',
    curves: Object.fromEntries(curves),
  });
}

/** From pixels to tokens of the language model. */
function vision() {
  const labels = ['image, marks', 'CLIP encoder', 'projection', 'image tokens'];
  const shapes = labels.flatMap((label, i) => [
    box(16, 150 - i * 44, 140, 30, label, i === 3 ? { stroke: colours.accent, fill: colours.fill } : {}),
    i > 0
      ? arrow([
          [86, 194 - i * 44],
          [86, 180 - i * 44],
        ])
      : '',
  ]);
  const row = ['What', 'is', 'in', '▣', '▣', '▣', 'circle', '1', '?'];
  row.forEach((token, i) => {
    const image = token === '▣';
    shapes.push(
      box(200 + i * 46, 86, 42, 28, token, image ? { stroke: colours.accent, fill: colours.fill } : {}),
    );
    shapes.push(
      arrow([
        [221 + i * 46, 86],
        [221 + i * 46, 60],
      ]),
    );
  });
  shapes.push(
    arrow([
      [156, 33],
      [176, 33],
      [176, 134],
      [405, 134],
      [405, 114],
    ]),
  );
  shapes.push(box(200, 28, 410, 32, 'GPT'));
  return picture(630, 190, 'Image tokens stand among the words', shapes);
}

/** What capture does. */
function capture() {
  const labels = ['your function', 'run once, recorded', 'one native graph', 'TensorFlow · ONNX Runtime'];
  const shapes = labels.flatMap((label, i) => [
    box(
      10 + i * 165,
      30,
      i === 3 ? 200 : 140,
      34,
      label,
      i === 2 ? { stroke: colours.accent, fill: colours.fill } : {},
    ),
    i > 0
      ? arrow([
          [i * 165 - 15, 47],
          [10 + i * 165, 47],
        ])
      : '',
  ]);
  shapes.push(text(245, 22, 'forward, backward, optimiser', { size: 11 }));
  return picture(715, 80, 'From a function to one native call', shapes);
}

export const pictures = {
  'gpt-1': merges,
  'gpt-2': norms,
  'gpt-3': patterns,
  instructgpt: feedback,
  'gpt-4': recurrence,
  'gpt-4v': vision,
  compute: capture,
  corpus: nearDuplicates,
  evaluation: codeSamples,
};
