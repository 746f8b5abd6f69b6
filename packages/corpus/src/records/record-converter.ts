import type { ResolvedSource } from '../pipeline/config.js';
import { documentConverter, type FieldNames, type RecordConverter } from './record-text.js';

/** The converter of a source's `kind`. */
export function recordConverter(
  kind: ResolvedSource['kind'],
  names: FieldNames,
  _options: Record<string, unknown>,
  _seed: number,
): RecordConverter {
  switch (kind) {
    default:
      return documentConverter(names);
  }
}
