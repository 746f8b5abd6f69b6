import { readFile, stat } from 'node:fs/promises';
import { documentSource, parseJsonlTexts } from '../data/documents.js';
import { DataError } from '../data/errors.js';
import { mixtureSource } from '../data/mixture.js';
import { type TextSource, textSource } from '../data/text-source.js';
import { TokenizerMismatchError } from '../errors.js';
import { shardSource } from '../node/shard-source.js';
import { ByteTokenizer } from '../tokenization/byte-tokenizer.js';
import { CharacterTokenizer } from '../tokenization/character-tokenizer.js';
import { tokenizerFromJSON } from '../tokenization/load-tokenizer.js';
import { withSpaceRuns } from '../tokenization/space-runs.js';
import { SubwordTokenizer } from '../tokenization/subword-tokenizer.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import { UsageError } from './errors.js';
import type { RunConfig } from './run-config.js';

type DataConfig = NonNullable<RunConfig['data']>;
type Part = Pick<DataConfig, 'text' | 'jsonl' | 'field' | 'shards'>;

/** What a run trains on. */
export interface LoadedData extends TextSource {
  readonly tokenizer: Tokenizer;
}

/**
 * Reads the data of a run and builds its tokenizer.
 *
 * @param tokenizer the tokenizer of a run that is resumed; otherwise the config says which
 * @throws {UsageError} when no data is named, {@link DataError} when it cannot be used
 */
export async function loadData(
  data: DataConfig,
  options: { contextLength: number; seed: number; tokenizer?: Tokenizer },
): Promise<LoadedData> {
  if (data.shards !== undefined) return loadShards(data, data.shards, options);
  const parts = data.mixture ?? [{ name: 'text', weight: 1, ...data }];
  const contents: { part: Part & { name: string; weight: number }; texts: string[]; joined: boolean }[] = [];
  for (const part of parts) contents.push({ part, ...(await readTexts(part)) });
  const tokenizer =
    options.tokenizer ??
    (await createTokenizer(
      data,
      contents.flatMap(({ texts }) => texts),
    ));
  const sources = contents.map(({ part, texts, joined }, index) => {
    const common = {
      contextLength: options.contextLength,
      seed: options.seed + index,
      name: part.name,
      ...(data.validationFraction !== undefined && { validationFraction: data.validationFraction }),
      ...(data.sampling !== undefined && { sampling: data.sampling }),
    };
    if (joined || tokenizer.eosTokenId === null)
      return { part, ...textSource(texts.join('\n'), tokenizer, common) };
    return {
      part,
      ...documentSource(texts, tokenizer, {
        ...common,
        documentEnd: tokenizer.eosTokenId,
        ...(data.separateDocuments !== undefined && { separateDocuments: data.separateDocuments }),
      }),
    };
  });
  const [only] = sources;
  if (sources.length === 1) return { tokenizer, train: only!.train, validation: only!.validation };
  return {
    tokenizer,
    train: mixtureSource(
      sources.map(({ train, part }) => ({ source: train, weight: part.weight })),
      { seed: options.seed },
    ),
    // The source with the largest share stands for the mixture.
    validation: sources.reduce((a, b) => (b.part.weight > a.part.weight ? b : a)).validation,
  };
}

/** Token shards: the tokenizer is needed to save it with the model, and must be the one that made them. */
async function loadShards(
  data: DataConfig,
  path: string,
  options: { contextLength: number; seed: number; tokenizer?: Tokenizer },
): Promise<LoadedData> {
  if (data.tokenizer === undefined && !options.tokenizer)
    throw new UsageError('Token shards need the tokenizer that made them: --tokenizer FILE.');
  const tokenizer = options.tokenizer ?? (await createTokenizer(data, []));
  const { validationFraction, sampling, separateDocuments } = data;
  const { train, validation, reader } = shardSource(path, {
    contextLength: options.contextLength,
    seed: options.seed,
    ...(validationFraction !== undefined && { validationFraction }),
    ...(sampling !== undefined && { sampling }),
    ...(separateDocuments !== undefined && { separateDocuments }),
  });
  if (reader.fingerprint !== '' && reader.fingerprint !== tokenizer.fingerprint) {
    reader.close();
    throw new TokenizerMismatchError(reader.fingerprint, tokenizer.fingerprint);
  }
  return { tokenizer, train, validation };
}

async function readTexts(part: Part): Promise<{ texts: string[]; joined: boolean }> {
  const { text, jsonl, field } = part;
  const given = [text, jsonl].filter((value) => value !== undefined).length;
  if (given !== 1)
    throw new UsageError(
      'Give the data to train on: --text FILE for plain text, --data FILE for JSONL, or --shards FOLDER.',
    );
  if (text !== undefined) {
    const texts: string[] = [];
    for (const path of [text].flat()) texts.push(await readNonEmpty(path));
    return { texts, joined: texts.length === 1 };
  }
  const texts: string[] = [];
  for (const path of [jsonl ?? []].flat())
    for (const document of parseJsonlTexts(await readNonEmpty(path), field, path)) texts.push(document);
  if (texts.length === 0) throw new DataError(`${[jsonl].flat().join(', ')} holds no text: give documents.`);
  return { texts, joined: false };
}

async function readNonEmpty(path: string): Promise<string> {
  if ((await stat(path)).isDirectory())
    throw new DataError(`${path} is a folder: give a file.`, { where: path });
  const bytes = await readFile(path);
  if (bytes.length === 0) throw new DataError(`${path} is empty: give a file with text.`, { where: path });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${path} is not UTF-8 text: convert it first.`, { where: path, cause });
  }
}

async function createTokenizer(data: DataConfig, texts: readonly string[]): Promise<Tokenizer> {
  const name = data.tokenizer ?? 'char';
  if (name === 'char' || name === 'byte') {
    const tokenizer = name === 'char' ? CharacterTokenizer.train(texts.join('')) : new ByteTokenizer();
    return withConfiguredRuns(tokenizer, data);
  }
  const content = await readFile(name, 'utf8').catch(() => {
    throw new UsageError(
      `There is no tokenizer "${name}": write char, byte, or the path of a tokenizer.json.`,
    );
  });
  try {
    return withConfiguredRuns(tokenizerFromJSON(JSON.parse(content)), data);
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new UsageError(`${name} is not JSON: give a tokenizer.json.`, { cause });
    throw cause;
  }
}

/** The tokenizer, with tokens for runs of spaces where the config asks for them. @throws {UsageError} */
export function withConfiguredRuns(tokenizer: Tokenizer, { spaceRuns }: DataConfig): Tokenizer {
  if (spaceRuns === undefined) return tokenizer;
  if (!(tokenizer instanceof SubwordTokenizer))
    throw new UsageError(
      'Runs of spaces become tokens of a byte-level BPE only: leave out --space-runs, or give its tokenizer.json.',
    );
  return withSpaceRuns(tokenizer, { longest: spaceRuns });
}
