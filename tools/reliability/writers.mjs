// Every writer, writing versions 0, 1, 2, … of one thing to one path. `read` gives the version found there; it throws
// when what it finds is not one whole version.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TokenShardReader, TokenShardWriter } from '@gpt-lineage/corpus';
import { CharacterTokenizer, GPT, LoRA } from '@gpt-lineage/gpt-core';
import { loadLoRA } from '@gpt-lineage/gpt-core/node';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { loadTokenizer, saveTokenizer } from '@gpt-lineage/tokenizer-bbpe/node';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { CLIP } from '@gpt-lineage/vision-clip';
import { openSafetensors, writeSafetensorsFile } from '@gpt-lineage/vision-clip/safetensors/node';
import * as tf from '@tensorflow/tfjs-core';

/** Fails unless all numbers are one version. */
function oneVersion(values, where) {
  const [version] = values;
  for (const value of values)
    if (value !== version) throw new Error(`${where} mixes version ${version} with version ${value}`);
  return version;
}

function fill(variables, version) {
  for (const variable of variables.values())
    tf.tidy(() => variable.assign(tf.fill(variable.shape, version, variable.dtype)));
}

const valuesOf = (variables) => [...variables.values()].flatMap((variable) => [...variable.dataSync()]);

const small = { vocabSize: 300, contextLength: 16, nLayer: 2, nHead: 2, nEmbd: 32 };
const size = (megabytes) => Math.round((megabytes * 2 ** 20) / 4);

export const writers = {
  safetensors: {
    open: (path) => ({
      write: (version) =>
        writeSafetensorsFile(join(path, 'x.safetensors'), {
          a: { dtype: 'F32', shape: [size(0.5)], data: new Float32Array(size(0.5)).fill(version) },
          b: { dtype: 'F32', shape: [4], data: new Float32Array(4).fill(version) },
        }),
    }),
    async read(path) {
      const file = await openSafetensors(join(path, 'x.safetensors'));
      try {
        const [a, b] = [await file.readFloat32('a'), await file.readFloat32('b')];
        return oneVersion([a[0], a.at(-1), ...b], 'the file');
      } finally {
        await file.close?.();
      }
    },
  },
  'GPT.save': {
    open(path) {
      const model = GPT.create(small, { seed: 1, tokenizer: CharacterTokenizer.train('abcd'.repeat(2)) });
      return {
        write: async (version) => {
          fill(model.variables, version);
          // The config belongs to the weights: a folder with one version's of each would be neither.
          model.config.layerNormEpsilon = 1e-6 * (version + 1);
          await model.save(join(path, 'model'));
        },
      };
    },
    async read(path) {
      const model = await GPT.load(join(path, 'model'));
      const values = [...valuesOf(model.variables), Math.round(model.config.layerNormEpsilon * 1e6 - 1)];
      model.dispose();
      return oneVersion(values, 'the folder');
    },
  },
  'LoRA.save': {
    open(path) {
      const model = GPT.create(small, { seed: 1 });
      const adapter = LoRA.attach(model, { rank: 4 });
      return {
        write: async (version) => {
          fill(adapter.variables, version);
          await adapter.save(join(path, 'adapter'));
        },
      };
    },
    async read(path) {
      const model = GPT.create(small, { seed: 1 });
      try {
        const adapter = await loadLoRA(model, join(path, 'adapter'));
        const values = valuesOf(adapter.variables);
        adapter.dispose();
        return oneVersion(values, 'the folder');
      } finally {
        model.dispose();
      }
    },
  },
  'CLIP.save': {
    open(path) {
      return {
        write: async (version) => {
          const clip = CLIP.create(clipConfig(version));
          try {
            await clip.save(join(path, 'clip'));
          } finally {
            clip.dispose();
          }
        },
      };
    },
    async read(path) {
      const clip = await CLIP.load(join(path, 'clip'));
      clip.dispose();
      return clip.config.text.contextLength - 8;
    },
  },
  'tokenizer.json': {
    async open(path) {
      return {
        async write(version) {
          const text = ['low lower lowest new newer newest'];
          const tokenizer = await ByteLevelBPETokenizer.train(text, {
            vocabSize: 270,
            specialTokens: [`<${version}>`],
          });
          await saveTokenizer(tokenizer, join(path, 'tokenizer'));
        },
      };
    },
    async read(path) {
      const { specialTokens } = await loadTokenizer(join(path, 'tokenizer'));
      const [name] = specialTokens instanceof Map ? specialTokens.keys() : Object.keys(specialTokens);
      return Number(name.slice(1, -1));
    },
  },
  'BPETokenizer.save': {
    open: (path) => ({
      async write(version) {
        const tokenizer = await BPETokenizer.train(['low lower lowest new newer newest'], {
          vocabSize: 40,
          specialTokens: ['<unk>', `<${version}>`],
        });
        await tokenizer.save(join(path, 'bpe'));
      },
    }),
    async read(path) {
      const { vocab } = await BPETokenizer.load(join(path, 'bpe'));
      return Number(
        Object.keys(vocab)
          .find((token) => /^<\d+>$/.test(token))
          .slice(1, -1),
      );
    },
  },
  'token shard': {
    open: (path) => ({
      async write(version) {
        const writer = new TokenShardWriter(join(path, 'x.tokens'), { vocabSize: 65_536 });
        try {
          for (let i = 0; i < 20; i++) writer.append(new Uint16Array(10_000).fill(version));
          await writer.finish();
        } catch (error) {
          writer.abort?.();
          throw error;
        }
      },
    }),
    async read(path) {
      const reader = TokenShardReader.open(join(path, 'x.tokens'));
      const tokenIds = reader.read(0, reader.tokenCount);
      reader[Symbol.dispose]?.();
      return oneVersion(tokenIds, 'the shard');
    },
  },
};

function clipConfig(version) {
  const tower = { nEmbd: 32, nLayer: 1, nHead: 2, nInner: 32, activation: 'quick', layerNormEpsilon: 1e-5 };
  return {
    embedDim: 16,
    vision: { kind: 'vit', imageSize: 16, patchSize: 4, ...tower },
    text: {
      vocabSize: 64,
      contextLength: 8 + version,
      ...tower,
      eosTokenId: 7,
      bosTokenId: 6,
      padTokenId: 0,
    },
    logitScaleInit: 1,
  };
}

export function prepare(path) {
  mkdirSync(path, { recursive: true });
  return path;
}
