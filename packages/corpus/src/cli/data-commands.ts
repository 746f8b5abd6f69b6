import { resolve } from 'node:path';
import type { Command } from 'commander';
import { AtomicFile } from '../atomic-file.js';
import { ContaminationIndex } from '../decontaminate/contamination-index.js';
import { cutCollisions } from '../decontaminate/cut-collisions.js';
import { extractFeatures } from '../dedup/deduplicate.js';
import { DeduplicationIndex, fuzzyParameters } from '../dedup/deduplication-index.js';
import { effectiveNumber, emptyDiversity, mergeDiversity, noteDocument } from '../diversity.js';
import { ConfigError } from '../errors.js';
import { resolveConfig } from '../pipeline/config.js';
import { byteTokenizer, loadTokenizer } from '../pipeline/load-tokenizer.js';
import { loadLanguageDetector } from '../quality/language.js';
import { paretoKeeps, QualityClassifier, qualityClassifier } from '../quality/quality-classifier.js';
import { expandInputs } from '../read/input-files.js';
import { readRecords } from '../read/record-stream.js';
import { documentConverter } from '../records/record-text.js';
import { readTrainingRecords, type TrainingFormat } from '../records/training-records.js';
import { exportTokenBin, importTokenBin } from '../shards/token-bin.js';
import { TokenShardReader } from '../shards/token-shard-reader.js';
import { writeTokenShards } from '../shards/write-token-shards.js';
import { wordHashes } from '../words.js';
import { integer } from './options.js';
import { querySql } from './sql.js';
import { table } from './summary.js';

interface Row {
  id: string;
  text: string;
  fields: Record<string, unknown>;
}

/** Commands on single files: one stage each. */
export function addDataCommands(program: Command, signal: AbortSignal): void {
  async function* documents(files: readonly string[], field?: string): AsyncGenerator<Row> {
    const convert = documentConverter({ text: field });
    for (const file of await expandInputs(files)) {
      for await (const { line, fields } of readRecords(file, { signal })) {
        for (const { text, id } of convert(fields, { file: file.path, line })) {
          yield { id: id ?? `${file.path}:${line}`, text, fields };
        }
      }
    }
  }

  program
    .command('inspect')
    .description('what is in documents (JSONL, text, CSV, Parquet) or token shards; --sql asks DuckDB')
    .argument('<files...>')
    .option('--field <name>', 'the text field')
    .option('--sql <query>', 'query over the files as table `documents`')
    .action(async (files: string[], { field, sql }: { field?: string; sql?: string }) => {
      if (sql !== undefined) return print(await querySql(files, sql));
      if (/\.(?:tokens|bin)$/.test(files[0]!)) return inspectShards(files);
      const detect = await loadLanguageDetector();
      const report = emptyDiversity();
      for await (const { text, fields } of documents(files, field)) {
        const url = typeof fields.url === 'string' ? fields.url : null;
        noteDocument(report, { text, language: detect(text), url }, wordHashes(text).length);
      }
      const merged = mergeDiversity([report], 20);
      print(
        JSON.stringify(
          {
            ...merged,
            effectiveLanguages: effectiveNumber(merged.languages),
            effectiveDomains: effectiveNumber(merged.domains),
          },
          null,
          2,
        ),
      );
    });

  program
    .command('dedup')
    .description('drop exact and near-duplicate documents; the index lies on disk')
    .argument('<files...>')
    .requiredOption('-o, --output <file>', 'JSONL of what stays')
    .option('--dropped <file>', 'JSONL of what went, and why')
    .option('--threshold <similarity>', 'Jaccard similarity of word 5-grams', Number, 0.8)
    .option('--permutations <n>', 'length of the MinHash signature', integer, 128)
    .option('--exact', 'exact copies only')
    .option('--keep <policy>', 'longest or first', 'longest')
    .option('--field <name>', 'the text field')
    .option('--index <folder>', 'folder for the on-disk index', '.')
    .option('-w, --workers <n>', 'threads that compute signatures', integer, 0)
    .action(async (files: string[], options: DedupFlags) => {
      const { threshold, permutations, keep } = options;
      if (keep !== 'longest' && keep !== 'first')
        throw new ConfigError('--keep', "must be 'longest' or 'first'");
      const fuzzy = options.exact ? null : fuzzyParameters({ threshold, permutations }, 0);
      using index = new DeduplicationIndex({ fuzzy, keep, indexDirectory: resolve(options.index) });
      const ids: string[] = [];
      await extractFeatures(
        documents(files, options.field),
        fuzzy,
        options.workers,
        (batch, features) => {
          for (const [i, { id, text }] of batch.entries()) {
            index.add(features[i]!, text.length);
            ids.push(id);
          }
        },
        signal,
      );
      const report = index.finish();
      const gone = new Map(report.dropped.map((decision) => [decision.document, decision]));
      using output = new AtomicFile(resolve(options.output));
      using dropped = options.dropped === undefined ? undefined : new AtomicFile(resolve(options.dropped));
      let number = 0;
      // A second pass: texts were not kept.
      for await (const { fields } of documents(files, options.field)) {
        const decision = gone.get(number++);
        if (!decision) output.write(`${JSON.stringify(fields)}\n`);
        else {
          const { document, duplicateOf, kind, similarity } = decision;
          const why = { id: ids[document], duplicateOf: ids[duplicateOf], kind, similarity };
          dropped?.write(`${JSON.stringify(why)}\n`);
        }
      }
      output.finish();
      dropped?.finish();
      const exact = report.dropped.filter(({ kind }) => kind === 'exact').length;
      print(
        `${report.documents} documents: ${report.documents - gone.size} stay, ${exact} exact and ` +
          `${gone.size - exact} near-duplicates in ${report.clusters.length} clusters went`,
      );
      if (report.cutComparisons > 0)
        print(`${report.cutComparisons} comparisons in huge buckets were left out`);
    });

  program
    .command('decontaminate')
    .description('cut 13-gram overlaps with evaluation sets out of documents (GPT-3)')
    .argument('<files...>')
    .requiredOption('--against <files...>', 'evaluation sets')
    .requiredOption('-o, --output <file>', 'JSONL of what stays')
    .option('--n <words>', 'words per gram', integer, 13)
    .option('--max-documents <n>', 'grams in more documents are no leak', integer, 10)
    .option('--field <name>', 'the text field')
    .action(async (files: string[], options: DecontaminateFlags) => {
      const sets = [];
      for (const path of options.against) {
        const examples: string[] = [];
        for (const file of await expandInputs(path)) {
          for await (const { fields } of readRecords(file, { signal, separator: 'line' })) {
            examples.push(stringsIn(fields).join('\n'));
          }
        }
        sets.push({ name: path, examples });
      }
      const index = new ContaminationIndex(sets, { n: options.n });
      const counts = new Uint32Array(index.gramCount);
      for await (const { text } of documents(files, options.field)) {
        for (const gram of index.gramsIn(text)) counts[gram]!++;
      }
      using output = new AtomicFile(resolve(options.output));
      const total = { documents: 0, cut: 0, dropped: 0, characters: 0 };
      for await (const { id, text, fields } of documents(files, options.field)) {
        total.documents++;
        const collisions = index.collisions(text, (gram) => counts[gram]! > options.maxDocuments);
        if (collisions.length === 0) {
          output.write(`${JSON.stringify(fields)}\n`);
          continue;
        }
        const { pieces, removedCharacters } = cutCollisions(text, collisions);
        total.cut++;
        total.characters += removedCharacters;
        if (pieces.length === 0) total.dropped++;
        for (const [i, piece] of pieces.entries()) {
          output.write(
            `${JSON.stringify({ ...fields, id: `${id}#${i}`, [options.field ?? 'text']: piece })}\n`,
          );
        }
      }
      output.finish();
      print(
        `${total.documents} documents: ${total.cut} overlapped, ${total.dropped} of them dropped, ` +
          `${total.characters.toLocaleString('en-US')} characters cut`,
      );
    });

  program
    .command('shard')
    .description('tokenise documents into token shards')
    .argument('<files...>')
    .requiredOption('-o, --output <folder>')
    .option('--encoding <name>', 'as gpt2, cl100k_base')
    .option('--tokenizer <file>', 'a tokenizer.json')
    .option('--bytes', 'UTF-8 bytes as tokens')
    .option('--name <name>', 'shards are called <name>-00000.tokens', 'train')
    .option('--shard-tokens <n>', 'tokens per shard', integer, 100_000_000)
    .option('--field <name>', 'the text field')
    .action(async (files: string[], options: ShardFlags) => {
      const { encoding, tokenizer: file } = options;
      if ([encoding, file, options.bytes].filter((each) => each !== undefined).length !== 1) {
        throw new ConfigError('tokenizer', 'give one of --encoding, --tokenizer or --bytes');
      }
      const choice = encoding !== undefined ? { encoding } : file !== undefined ? { file } : byteTokenizer;
      const config = resolveConfig({
        sources: [{ name: 's', files }],
        output: options.output,
        tokenizer: choice,
      });
      const { tokenizer, endOfText } = await loadTokenizer(config, process.cwd());
      const started = performance.now();
      const shards = await writeTokenShards(documents(files, options.field), {
        directory: resolve(options.output),
        name: options.name,
        tokenizer,
        endOfText: endOfText ?? undefined,
        shardTokens: options.shardTokens,
        signal,
      });
      const tokens = shards.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
      const rate = tokens / ((performance.now() - started) / 1000);
      print(
        `${shards.length} shards, ${tokens.toLocaleString('en-US')} tokens, ${Math.round(rate / 1000)} k tokens/s`,
      );
    });

  program
    .command('verify')
    .description('read token shards and compare their checksums')
    .argument('<shards...>')
    .action((shards: string[]) => {
      for (const path of shards) {
        using reader = new TokenShardReader(path);
        reader.verify();
        print(`${path}: ${reader.tokenCount.toLocaleString('en-US')} tokens, as written`);
      }
    });

  program
    .command('export')
    .description('token shards to one nanoGPT .bin (tokens alone)')
    .argument('<shards...>')
    .requiredOption('-o, --output <file>')
    .option('--dtype <type>', 'uint16 or uint32')
    .action((shards: string[], { output, dtype }: { output: string; dtype?: 'uint16' | 'uint32' }) => {
      using reader = new TokenShardReader(shards.length === 1 ? shards[0]! : shards);
      exportTokenBin(reader, resolve(output), dtype);
      print(`${reader.tokenCount.toLocaleString('en-US')} tokens in ${output}`);
    });

  program
    .command('import')
    .description('a nanoGPT or llm.c .bin to a token shard')
    .argument('<bin>')
    .requiredOption('-o, --output <file>')
    .requiredOption('--vocab-size <n>', 'as 50257', integer)
    .option('--end-of-text <id>', 'documents end with this token', integer)
    .option('--dtype <type>', 'uint16 or uint32', 'uint16')
    .action((bin: string, options: ImportFlags) => {
      const { vocabSize, endOfText, dtype } = options;
      const info = importTokenBin(bin, resolve(options.output), { vocabSize, endOfText, dtype });
      print(`${info.tokenCount.toLocaleString('en-US')} tokens in ${info.documentCount} documents`);
    });

  program
    .command('classifier')
    .description('train the quality classifier of GPT-3, or score documents with one')
    .option('--positive <files...>', 'texts as they should be')
    .option('--negative <files...>', 'texts as they come')
    .option('--score <files...>', 'write id, score and decision of these as JSON lines')
    .requiredOption('-m, --model <file>', 'written when training, read when scoring')
    .option('--field <name>', 'the text field')
    .action(async (options: ClassifierFlags) => {
      const { positive, negative, score, model, field } = options;
      if (positive && negative) {
        const texts = async function* (files: readonly string[]) {
          for await (const { text } of documents(files, field)) yield text;
        };
        (await qualityClassifier({ positive: texts(positive), negative: texts(negative) })).save(
          resolve(model),
        );
        print(`saved ${model}`);
      } else if (!score) {
        throw new ConfigError('classifier', 'needs --positive and --negative to train, or --score');
      }
      if (!score) return;
      const classifier = QualityClassifier.load(resolve(model));
      for await (const { id, text } of documents(score, field)) {
        const value = classifier.score(text);
        print(JSON.stringify({ id, score: value, keep: paretoKeeps(value, id) }));
      }
    });

  program
    .command('validate')
    .description('check instruction and preference records')
    .argument('<files...>')
    .option(
      '--format <name>',
      'messages, prompt-completion, preference, ranked, unpaired, prompt-only or text',
    )
    .action(async (files: string[], { format }: { format?: TrainingFormat }) => {
      let valid = 0;
      let invalid = 0;
      let found: string | undefined;
      for (const path of files) {
        const records = readTrainingRecords(path, {
          signal,
          ...(format && { format }),
          onInvalid: (error) => {
            invalid++;
            process.stderr.write(`${error.message}\n`);
          },
        });
        for await (const record of records) {
          found = record.format;
          valid++;
        }
      }
      print(`${valid} valid records${found ? ` (${found})` : ''}, ${invalid} invalid`);
      if (invalid > 0) throw new ConfigError('records', `${invalid} are invalid`);
    });
}

interface DedupFlags {
  output: string;
  dropped?: string;
  threshold: number;
  permutations: number;
  exact?: boolean;
  keep: string;
  field?: string;
  index: string;
  workers: number;
}

interface DecontaminateFlags {
  against: string[];
  output: string;
  n: number;
  maxDocuments: number;
  field?: string;
}

interface ShardFlags {
  output: string;
  encoding?: string;
  tokenizer?: string;
  bytes?: boolean;
  name: string;
  shardTokens: number;
  field?: string;
}

interface ImportFlags {
  output: string;
  vocabSize: number;
  endOfText?: number;
  dtype: 'uint16' | 'uint32';
}

interface ClassifierFlags {
  positive?: string[];
  negative?: string[];
  score?: string[];
  model: string;
  field?: string;
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(stringsIn);
  return [];
}

function inspectShards(files: readonly string[]): void {
  const rows: (string | number)[][] = [['shard', 'tokens', 'documents', 'type', 'tokenizer', 'sources']];
  for (const path of files) {
    using reader = new TokenShardReader(path);
    const { tokenCount, documentCount, dtype, fingerprint, sources } = reader;
    rows.push([
      path,
      tokenCount,
      documentCount,
      dtype,
      fingerprint.slice(0, 16) || 'unknown',
      sources.join(', '),
    ]);
  }
  print(table(rows));
}
