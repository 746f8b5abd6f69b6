import { strip } from '../../python-text.js';
import type { Doc, MultipleChoiceTask } from '../task.js';

const STEM =
  'abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics machine_learning';
const HUMANITIES =
  'formal_logic high_school_european_history high_school_us_history high_school_world_history international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions';
const SOCIAL_SCIENCES =
  'econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations security_studies sociology us_foreign_policy';
const OTHER =
  'business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology';

const LETTERS = ['A', 'B', 'C', 'D'];

/** A row of the original CSV files, or a record of the data set's Hugging Face form, with its list and number. */
function prepare(doc: Doc): Doc {
  const choices = (doc.choices ?? LETTERS.map((letter) => doc[letter])) as string[];
  const { question, answer } = doc;
  return {
    question,
    ...Object.fromEntries(LETTERS.map((letter, index) => [letter, choices[index]])),
    answer: typeof answer === 'number' ? answer : LETTERS.indexOf(String(answer).trim()),
  };
}

function subject(name: string, group: string): MultipleChoiceTask {
  const spoken = name.replaceAll('_', ' ');
  return {
    kind: 'multiple-choice',
    name: `mmlu_${name}`,
    version: 1,
    title: `MMLU: ${spoken}`,
    groups: ['mmlu', `mmlu_${group}`],
    data: {
      files: { test: `mmlu/test/${name}_test.csv`, dev: `mmlu/dev/${name}_dev.csv` },
      columns: ['question', ...LETTERS, 'answer'],
      prepare,
    },
    description: `The following are multiple choice questions (with answers) about ${spoken}.\n\n`,
    prompt: (doc: Doc) =>
      `${strip(String(doc.question))}\n${LETTERS.map((letter) => `${letter}. ${doc[letter]}`).join('\n')}\nAnswer:`,
    choices: LETTERS,
    target: (doc) => doc.answer as number,
    fewShot: { split: 'dev', sampler: 'first' },
    normalisations: ['sum'],
  };
}

/** MMLU (Hendrycks et al. 2021): 57 subjects of four-choice questions, five-shot in the paper. */
export const mmlu = Object.entries({
  stem: STEM,
  humanities: HUMANITIES,
  social_sciences: SOCIAL_SCIENCES,
  other: OTHER,
}).flatMap(([group, names]) => names.split(' ').map((name) => subject(name, group)));
