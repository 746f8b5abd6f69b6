import { extendVocabulary } from '../model/extend-vocabulary.js';
import { GPT } from '../model/gpt.js';
import type { SavedTraining } from '../training/checkpoint-store.js';
import { UsageError } from './errors.js';
import { withConfiguredRuns } from './load-data.js';
import type { RunConfig } from './run-config.js';

/**
 * The pretrained model that a run goes on from (`--from`), its vocabulary extended where the config asks for it; or
 * `undefined` for a run from scratch. A resumed run takes its own checkpoint, so the first folder may be gone by then.
 *
 * @throws {UsageError} when the config also says what the model itself decides
 */
export async function startingModel(
  config: RunConfig,
  saved: SavedTraining | undefined,
): Promise<GPT | undefined> {
  const { from, ...others } = config.model ?? {};
  if (from === undefined) return undefined;
  const extra = Object.keys(others).find((field) => field !== 'contextLength' && !/Dropout$/.test(field));
  if (extra !== undefined)
    throw new UsageError(`${extra} is that of the model in ${from}: leave it out, or train from scratch.`);
  if (config.data?.tokenizer !== undefined)
    throw new UsageError(`The tokenizer is that of the model in ${from}: leave out --tokenizer.`);
  const model = await GPT.load(saved?.path ?? from, { config: dropouts(others) });
  if (!model.tokenizer) {
    model.dispose();
    throw new UsageError(`${from} holds no tokenizer: training needs the one that the model knows.`);
  }
  const tokenizer = withConfiguredRuns(model.tokenizer, config.data ?? {});
  if (tokenizer.fingerprint === model.tokenizer.fingerprint) return model;
  using pretrained = model;
  return extendVocabulary(pretrained, tokenizer);
}

function dropouts(fields: Readonly<Record<string, unknown>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => /Dropout$/.test(name) && typeof value === 'number'),
  ) as Record<string, number>;
}
