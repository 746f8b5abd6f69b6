import type { Document } from '../document.js';
import { ContaminationIndex, type EvaluationSet, wordRanges } from './contamination-index.js';
import { type CutOptions, cutCollisions } from './cut-collisions.js';
import { type EvaluationSplit, splitEvaluationSets } from './evaluation-split.js';

export interface DecontaminateOptions extends CutOptions {
  evaluationSets: readonly EvaluationSet[];
  /** Words per gram that cuts training text. Default 13. */
  n?: number;
  /** A gram in more training documents than this is a common phrase, not a leak. Default 10. */
  maxDocuments?: number;
}

export interface DecontaminationResult {
  /** What stays; a document cut in several pieces becomes several (`id#0`, `id#1`, …). */
  documents: Document[];
  /** Documents something was cut from or that were dropped. */
  cut: {
    id: string;
    cuts: number;
    removedCharacters: number;
    removed: 'pieces' | 'short' | null;
    evaluationText: string;
  }[];
  splits: EvaluationSplit[];
  /** Grams left alone because more than `maxDocuments` documents hold them. */
  frequentGrams: number;
}

/**
 * Cuts what overlaps with evaluation sets out of training documents and says which evaluation examples the training
 * data touches (before cutting): GPT-3's procedure, Brown et al. 2020, appendix C.
 */
export function decontaminate(
  documents: Iterable<Document>,
  { evaluationSets, n = 13, maxDocuments = 10, ...cutOptions }: DecontaminateOptions,
): DecontaminationResult {
  const index = new ContaminationIndex(evaluationSets, { n });
  const all = [...documents];
  const counts = new Uint32Array(index.gramCount);
  for (const { text } of all) for (const gram of index.gramsIn(text)) counts[gram]!++;
  const isFrequent = (gram: number) => counts[gram]! > maxDocuments;
  const result: DecontaminationResult = {
    documents: [],
    cut: [],
    splits: splitEvaluationSets(index, (gram) => counts[gram]! > 0 && !isFrequent(gram)),
    frequentGrams: counts.filter((count) => count > maxDocuments).length,
  };
  for (const document of all) {
    const collisions = index.collisions(document.text, isFrequent);
    if (collisions.length === 0) {
      result.documents.push(document);
      continue;
    }
    const { pieces, ...report } = cutCollisions(document.text, collisions, cutOptions);
    result.cut.push({ id: document.id, ...report, evaluationText: excerpt(document.text, collisions[0]!) });
    result.documents.push(...piecesOf(document, pieces));
  }
  return result;
}

/** The pieces as documents of their own. */
export const piecesOf = (document: Document, pieces: readonly string[]): Document[] =>
  pieces.map((text, i) => ({
    ...document,
    id: pieces.length === 1 ? document.id : `${document.id}#${i}`,
    text,
  }));

/** The words of a collision as they stand in the text. */
export function excerpt(
  text: string,
  { firstWord, endWord }: { firstWord: number; endWord: number },
): string {
  const { starts, ends } = wordRanges(text);
  return text.slice(starts[firstWord], ends[endWord - 1]);
}
