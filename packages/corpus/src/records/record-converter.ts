import { chatConverter, subtitleConverter } from './dialogue.js';
import { parallelConverter } from './parallel.js';
import { stackExchangeConverter } from './question-answer.js';
import { documentConverter, type FieldNames, type RecordConverter } from './record-text.js';
import { sourceCodeConverter } from './source-code.js';

/** What a record of a source means. */
export const recordKinds = ['document', 'stackexchange', 'chat', 'subtitles', 'code', 'parallel'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** The converter of a source's `kind`. @throws {ConfigError} for options the kind does not understand */
export function recordConverter(
  kind: RecordKind,
  names: FieldNames,
  options: Record<string, unknown> = {},
  seed = 0,
): RecordConverter {
  switch (kind) {
    case 'document':
      return documentConverter(names);
    case 'stackexchange':
      return stackExchangeConverter(names, options);
    case 'chat':
      return chatConverter(names, options);
    case 'subtitles':
      return subtitleConverter(names);
    case 'code':
      return sourceCodeConverter(names, options);
    case 'parallel':
      return parallelConverter(names, options, seed);
  }
}
