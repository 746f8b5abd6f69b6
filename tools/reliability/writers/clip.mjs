import './cpu.mjs';
import { join } from 'node:path';
import { CLIP } from '@gpt-lineage/vision-clip';

const tower = { nEmbd: 32, nLayer: 1, nHead: 2, nInner: 32, activation: 'quick', layerNormEpsilon: 1e-5 };
const ids = { eosTokenId: 7, bosTokenId: 6, padTokenId: 0 };
const configOf = (version) => ({
  embedDim: 16,
  vision: { kind: 'vit', imageSize: 16, patchSize: 4, ...tower },
  text: { vocabSize: 64, contextLength: 8 + version, ...tower, ...ids },
  logitScaleInit: 1,
});

export const open = (path) => ({
  write: async (version) => {
    const clip = CLIP.create(configOf(version));
    try {
      await clip.save(join(path, 'clip'));
    } finally {
      clip.dispose();
    }
  },
});

export async function read(path) {
  const clip = await CLIP.load(join(path, 'clip'));
  clip.dispose();
  return clip.config.text.contextLength - 8;
}
