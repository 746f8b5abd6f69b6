import { capitalize, strip } from '../../python-text.js';
import type { Doc, MultipleChoiceTask } from '../task.js';

/** Brackets are left over from the WikiHow part of the data. */
const clean = (text: string) =>
  strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/gu, '')
    .replaceAll('  ', ' ');

function prepare(doc: Doc): Doc {
  const activity = String(doc.activity_label);
  // The public files give the context whole (`ctx`) or as its two parts.
  const context =
    doc.ctx_a === undefined ? String(doc.ctx) : `${doc.ctx_a} ${capitalize(String(doc.ctx_b ?? ''))}`;
  return {
    query: clean(`${activity}: ${context}`),
    endings: (doc.endings as string[]).map(clean),
    label: Number(doc.label),
  };
}

/** HellaSwag (Zellers et al. 2019): which of four endings follows. */
export const hellaswag: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'hellaswag',
  version: 1,
  title: 'HellaSwag: the ending that follows, of four',
  data: { files: { test: 'hellaswag/validation.jsonl.gz', train: 'hellaswag/train.jsonl.gz' }, prepare },
  fewShot: { leaveOut: true },
  prompt: '{{ query }}',
  choices: (doc) => doc.endings as string[],
  target: (doc) => doc.label as number,
};
