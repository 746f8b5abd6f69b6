import { WHITE_SPACE } from '../../python-text.js';
import type { RollingTask } from '../task.js';

/** A pair of brackets or quotes with white space just inside of them. */
const padded = (open: string, close: string) =>
  new RegExp(`\\${open}[${WHITE_SPACE}]*([^\\${close}]*?)[${WHITE_SPACE}]*\\${close}`, 'g');

/** Undoes the tokenisation of WikiText: `@-@`, spaces before punctuation, heading marks. */
export function detokenizeWikiText(text: string): string {
  return text
    .replaceAll("s '", "s'")
    .replace(/\/' [0-9]\//gu, "/'[0-9]/")
    .replaceAll(' @-@ ', '-')
    .replaceAll(' @,@ ', ',')
    .replaceAll(' @.@ ', '.')
    .replaceAll(' : ', ': ')
    .replaceAll(' ; ', '; ')
    .replaceAll(' . ', '. ')
    .replaceAll(' ! ', '! ')
    .replaceAll(' ? ', '? ')
    .replaceAll(' , ', ', ')
    .replace(padded('(', ')'), '($1)')
    .replace(padded('[', ']'), '[$1]')
    .replace(padded('{', '}'), '{$1}')
    .replace(padded('"', '"'), '"$1"')
    .replace(padded("'", "'"), "'$1'")
    .replaceAll('= = = =', '====')
    .replaceAll('= = =', '===')
    .replaceAll('= =', '==')
    .replaceAll(` ${String.fromCharCode(176)} `, String.fromCharCode(176))
    .replaceAll(' \n', '\n')
    .replaceAll('\n ', '\n')
    .replaceAll(' N ', ' 1 ')
    .replaceAll(" 's", "'s");
}

/** WikiText-2 by document: perplexities per word and byte of the original, tokenised text. */
const wikitext: RollingTask = {
  kind: 'rolling',
  name: 'wikitext',
  version: 2,
  title: 'WikiText-2, whole documents: word and byte perplexity',
  groups: ['perplexity'],
  data: {
    files: { test: 'wikitext/validation.jsonl.gz' },
    prepare: (doc) => ({ page: doc.page ?? doc.text }),
  },
  text: (doc) => detokenizeWikiText(String(doc.page)),
  normaliseBy: (doc) => String(doc.page),
};

/** Penn Treebank as language models report it (Mikolov et al. 2010): sentences in lower case, rare words `<unk>`. */
const ptb: RollingTask = {
  kind: 'rolling',
  name: 'ptb',
  version: 1,
  title: 'Penn Treebank style sentences: word and byte perplexity',
  groups: ['perplexity'],
  data: {
    files: { test: 'ptb/test.jsonl.gz' },
    prepare: (doc) => ({ sentence: String(doc.sentence ?? doc.text).trim() }),
  },
  text: '{{ sentence }}',
};

export const perplexityTasks = [wikitext, ptb];
