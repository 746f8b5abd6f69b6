import { type CutOptions, cutCollisions } from '../../decontaminate/cut-collisions.js';
import { excerpt } from '../../decontaminate/decontaminate.js';
import { removeParts } from '../../dedup/repeated-parts.js';
import { type DiversityReport, emptyDiversity, mergeDiversity, noteDocument } from '../../diversity.js';
import { ParquetFileWriter, readParquet } from '../../parquet.js';
import { wordHashes } from '../../words.js';
import { type DropReport, noteDrop } from '../drop-report.js';
import { groupKey } from '../groups.js';
import { stageFile, type TaskContext } from '../task.js';
import { gramCounts, loadEvaluationSets } from './decontamination.js';
import { readDecisions, readRepeatedParts } from './duplicates.js';
import { type DocumentRow, documentSchema } from './features-file.js';
import { partOptionsOf } from './ingest.js';

export interface CleanResult {
  documents: number;
  drops: DropReport;
  removedParts: { count: number; characters: number };
  decontamination: {
    documentsCut: number;
    cuts: number;
    characters: number;
    samples: { id: string; text: string }[];
  };
  diversity: DiversityReport;
}

/** Applies what the global stages decided to the documents of one group. */
export async function cleanGroup(
  context: TaskContext,
  input: { group: number; groups: number; partitions: number; deduplicated: boolean },
): Promise<CleanResult> {
  const { config } = context;
  const decisions = await readDecisions(context, input.group);
  const partOptions = input.deduplicated ? partOptionsOf(config) : null;
  const repeated = partOptions ? await readRepeatedParts(context, input.group, input.partitions) : undefined;
  const evaluation = config.decontaminate ? await loadEvaluationSets(context) : undefined;
  const counts = evaluation ? await gramCounts(context, input.groups, evaluation.index.gramCount) : undefined;
  const isFrequent = (gram: number) => counts![gram]! > config.decontaminate!.maxDocuments;
  const result: CleanResult = {
    documents: 0,
    drops: {},
    removedParts: { count: 0, characters: 0 },
    decontamination: { documentsCut: 0, cuts: 0, characters: 0, samples: [] },
    diversity: emptyDiversity(),
  };
  const output = stageFile(context, 'clean', `${groupKey(input.group)}.parquet`);
  using writer = await ParquetFileWriter.create<DocumentRow>(output, documentSchema);
  const write = async (row: DocumentRow) => {
    result.documents++;
    noteDocument(result.diversity, row, wordHashes(row.text).length);
    await writer.write(row);
  };
  let number = 0;
  const documents = readParquet(stageFile(context, 'ingest', `${groupKey(input.group)}.documents.parquet`));
  for await (const document of documents as AsyncGenerator<DocumentRow & Record<string, unknown>>) {
    context.signal?.throwIfAborted();
    const row = number++;
    const decision = decisions.get(row);
    if (decision) {
      const reason = decision.kind === 'duplicate-id' ? 'duplicate-id' : `duplicate/${decision.kind}`;
      const similarity =
        decision.similarity === null ? '' : ` (similarity ${decision.similarity.toFixed(3)})`;
      noteDrop(result.drops, reason, document.id, `of document ${decision.duplicateOf}${similarity}`);
      continue;
    }
    let { text } = document;
    const parts = repeated?.get(row);
    if (parts && partOptions) {
      const rest = removeParts(text, partOptions.unit, parts);
      result.removedParts.count += parts.size;
      result.removedParts.characters += text.length - rest.length;
      text = rest;
      if (text.trim() === '') {
        noteDrop(result.drops, `repeated-${partOptions.unit}s`, document.id, 'nothing else in it');
        continue;
      }
    }
    const collisions = evaluation ? evaluation.index.collisions(text, isFrequent) : [];
    if (collisions.length === 0) {
      await write({ ...document, text });
      continue;
    }
    const { pieces, removed, cuts, removedCharacters } = cutCollisions(text, collisions, cutOptions(config));
    const report = result.decontamination;
    report.documentsCut++;
    report.cuts += cuts;
    report.characters += removedCharacters;
    if (report.samples.length < 5)
      report.samples.push({ id: document.id, text: excerpt(text, collisions[0]!) });
    if (removed !== null) {
      noteDrop(result.drops, 'contaminated', document.id, excerpt(text, collisions[0]!));
      continue;
    }
    for (const [i, piece] of pieces.entries()) {
      const id = pieces.length === 1 ? document.id : `${document.id}#${i}`;
      await write({ ...document, id, text: piece });
    }
  }
  await writer.finish();
  result.diversity = mergeDiversity([result.diversity]);
  return result;
}

function cutOptions({ decontaminate }: TaskContext['config']): CutOptions {
  const { window, minPieceCharacters, maxPieces } = decontaminate!;
  return {
    ...(window !== undefined && { window }),
    ...(minPieceCharacters !== undefined && { minPieceCharacters }),
    ...(maxPieces !== undefined && { maxPieces }),
  };
}
