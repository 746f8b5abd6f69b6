import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type NormaliseOptions, normaliseText } from '../../normalise/normalise-text.js';
import { scrubPii } from '../../normalise/scrub-pii.js';
import { loadLanguageDetector } from '../../quality/language.js';
import { paretoKeeps, QualityClassifier } from '../../quality/quality-classifier.js';
import {
  brokenRule,
  type QualityRules,
  qualityPresets,
  removeBoilerplate,
} from '../../quality/quality-rules.js';
import { textStatistics } from '../../quality/text-statistics.js';
import { wordListFilter } from '../../quality/word-list.js';
import { wordHashes } from '../../words.js';
import type { ResolvedConfig, ResolvedSource } from '../config.js';
import { addCount } from '../drop-report.js';
import type { TaskContext } from '../task.js';
import { classifierPath } from './classifier.js';

/** What the filters say about one text. */
export type FilterVerdict =
  | { keep: true; text: string; language: string | null; quality: number | null }
  | { keep: false; reason: string; detail: string };

/** `{ preset, …bounds }` or a preset's name to rules. */
export function resolveRules(quality: ResolvedConfig['quality']): QualityRules {
  if (typeof quality === 'string') return qualityPresets[quality];
  const { preset, ...bounds } = quality;
  return { ...qualityPresets[preset], ...bounds } as QualityRules;
}

/** The filters of one source in their order, cheapest first. */
export async function documentFilter(
  context: TaskContext,
  source: ResolvedSource,
  piiCounts: Record<string, number>,
): Promise<(text: string, id: string) => FilterVerdict> {
  const { config, baseDirectory } = context;
  const normalise = { ...config.normalise, ...source.normalise } as NormaliseOptions;
  if (source.kind === 'code' && normalise.whitespace === undefined) normalise.whitespace = false;
  const rules = resolveRules(source.quality ?? config.quality);
  const hasRules = Object.keys(rules).length > 0;
  const languages = source.languages ?? config.languages;
  const identify =
    source.kind !== 'code' && (config.identifyLanguages || languages)
      ? await loadLanguageDetector()
      : undefined;
  const classifier =
    config.classifier && source.classify ? QualityClassifier.load(classifierPath(context)) : undefined;
  const wordList = config.wordList ? loadWordList(config.wordList, baseDirectory) : undefined;
  const pii = Array.isArray(config.pii) ? { kinds: config.pii } : {};

  return (raw, id) => {
    let text = normaliseText(raw, normalise);
    text = removeBoilerplate(text, rules.boilerplateLines);
    if (text.trim() === '') return { keep: false, reason: 'empty', detail: '' };
    const language = identify ? identify(text) : null;
    if (languages && !languages.includes(language ?? 'und')) {
      return { keep: false, reason: 'language', detail: `${language}: ${text.slice(0, 100)}` };
    }
    if (hasRules) {
      const broken = brokenRule(text, textStatistics(text), rules, language ?? 'en');
      if (broken !== null) {
        const [name] = broken.split(':');
        return { keep: false, reason: `quality/${name}`, detail: `${broken} | ${text.slice(0, 100)}` };
      }
    }
    if (wordList) {
      const { drop, count } = wordList(text, wordHashes(text).length);
      if (drop) return { keep: false, reason: 'word-list', detail: `${count} listed words` };
    }
    let quality: number | null = null;
    if (classifier) {
      quality = classifier.score(text);
      if (!paretoKeeps(quality, id, config.seed, config.classifier!.alpha)) {
        return {
          keep: false,
          reason: 'classifier',
          detail: `score ${quality.toFixed(3)} | ${text.slice(0, 100)}`,
        };
      }
    }
    if (config.pii !== false) {
      const scrubbed = scrubPii(text, pii);
      text = scrubbed.text;
      for (const [kind, count] of Object.entries(scrubbed.counts)) addCount(piiCounts, kind, count);
    }
    return { keep: true, text, language, quality };
  };
}

function loadWordList(options: NonNullable<ResolvedConfig['wordList']>, baseDirectory: string) {
  const fromFile =
    options.file === undefined
      ? []
      : readFileSync(resolve(baseDirectory, options.file), 'utf8').split(/\r?\n/);
  return wordListFilter({
    words: [...options.words, ...fromFile.filter((line) => !line.startsWith('#'))],
    ...(options.maxShare !== undefined && { maxShare: options.maxShare }),
    ...(options.minCount !== undefined && { minCount: options.minCount }),
  });
}
