import { describe, expect, it } from 'vitest';
import { describe as describeModel, gpt3PrintedSizes, parseConfig, presets } from '../../src/index.js';

// Counted by transformers from the published configurations (a tied output matrix counts once).
const published: Record<string, number> = {
  'gpt1-117m': 116_534_784,
  'gpt2-124m': 124_439_808,
  'gpt2-355m': 354_823_168,
  'gpt2-774m': 774_030_080,
  'gpt2-1558m': 1_557_611_200,
  // GPT-3: GPT2LMHeadModel with the sizes of table 2.1 and 2,048 positions, on torch's meta device.
  'gpt3-125m': 125_226_240,
  'gpt3-350m': 355_871_744,
  'gpt3-760m': 760_300_032,
  'gpt3-1.3b': 1_315_723_264,
  'gpt3-2.7b': 2_651_553_280,
  'gpt3-6.7b': 6_658_404_352,
  'gpt3-13b': 12_853_386_240,
  'gpt3-175b': 174_604_259_328,
};

/** Biases: 9 d for each block (4 d attention, 5 d MLP); norms: 4 d. */
function closedForm(layers: number, width: number, vocabulary: number, context: number): number {
  return layers * (12 * width ** 2 + 13 * width) + (vocabulary + context) * width + 2 * width;
}

describe('presets', () => {
  it.each(Object.entries(published))('%s has %i parameters', (name, count) => {
    expect(describeModel(presets[name as keyof typeof presets]).parameters).toBe(count);
  });

  it.each(Object.entries(presets).filter(([name]) => /^(gpt2|gpt3|instructgpt|codex)/.test(name)))(
    '%s agrees with the closed form',
    (_, config) => {
      const { nLayer, nEmbd, vocabSize, contextLength } = config;
      expect(describeModel(config).parameters).toBe(closedForm(nLayer, nEmbd, vocabSize, contextLength));
    },
  );

  it.each(Object.keys(presets))('%s is valid and stays what it is', (name) => {
    const config = presets[name as keyof typeof presets];
    expect(parseConfig(config)).toEqual(config);
  });

  it("rounds to the sizes of GPT-3's table", () => {
    const names = ['125m', '350m', '760m', '1.3b', '2.7b', '6.7b', '13b', '175b'] as const;
    names.forEach((name, i) => {
      const printed = gpt3PrintedSizes[i]!;
      const millions = Number.parseFloat(printed.parameters) * (printed.parameters.endsWith('B') ? 1000 : 1);
      const { parameters } = describeModel(presets[`gpt3-${name}`]);
      expect(Math.abs(parameters / 1e6 / millions - 1)).toBeLessThan(0.02);
    });
  });

  it("counts Codex's sizes without embeddings, as the paper does", () => {
    for (const [name, millions] of Object.entries({
      'codex-12m': 12,
      'codex-25m': 25,
      'codex-42m': 42,
      'codex-85m': 85,
      'codex-300m': 300,
      'codex-679m': 679,
      'codex-2.5b': 2500,
      'codex-12b': 12000,
    })) {
      const { nonEmbeddingParameters } = describeModel(presets[name as keyof typeof presets]);
      expect(Math.abs(nonEmbeddingParameters / 1e6 / millions - 1)).toBeLessThan(0.06);
    }
  });

  it('knows memory and work of GPT-2 small', () => {
    const { bytes, kvCacheBytes, kvCacheBytesPerToken, forwardFlopsPerToken } = describeModel(presets.gpt2);
    expect(bytes.float32).toBe(4 * 124_439_808);
    expect(kvCacheBytesPerToken).toBe(2 * 12 * 768 * 4);
    expect(kvCacheBytes).toBe(1024 * 2 * 12 * 768 * 4);
    // 2 × (12 L d² + V d) + 4 L d × 1024 keys
    expect(forwardFlopsPerToken).toBe(2 * (12 * 12 * 768 ** 2 + 50257 * 768) + 4 * 12 * 768 * 1024);
  });

  it('banded layers cost less', () => {
    const dense = describeModel({ ...presets['gpt3-125m'], layerPattern: 'dense' });
    const banded = describeModel(presets['gpt3-125m']);
    expect(banded.parameters).toBe(dense.parameters);
    expect(banded.kvCacheBytes).toBe((dense.kvCacheBytes * (2048 + 256)) / 4096);
    expect(banded.forwardFlopsPerToken).toBeLessThan(dense.forwardFlopsPerToken);
  });
});

describe('parseConfig refuses', () => {
  it.each([
    [{ nEmbd: 100, nHead: 12 }, /"nHead" is 12: nEmbd 100 must be a multiple of it; 10 or 5 would fit/],
    [{ vocabSize: 0 }, /"vocabSize" is 0/],
    [{ nLayer: 2.5 }, /"nLayer" is 2.5/],
    [{ contextLength: '64' as unknown as number }, /"contextLength" is "64"/],
    [{ embeddingDropout: 1 }, /"embeddingDropout" is 1/],
    [{ layers: 3 } as object, /"layers" is 3: no such field; known are vocabSize/],
    [{ layerPattern: 'banded' }, /"layerPattern\[0\]" is "banded": write dense, banded/],
    [{ layerPattern: 'banded(0)' }, /"layerPattern\[0\].window" is 0/],
    [{ layerPattern: ['dense', 'fixed(8,9)'] }, /"layerPattern\[1\].summary" is 9/],
    [{ nLayer: 2, layerPattern: ['dense', 'dense', 'dense'] }, /layerPattern.*1 to 2/],
    [{ nHead: 4, nEmbd: 64, nKvHead: 3 }, /"nKvHead" is 3/],
    [{ vocabSize: 10, eosTokenId: 10 }, /"eosTokenId" is 10: ids end at 9/],
    [{ memoryLength: 4 }, /"memoryLength" is 4: absolute positions/],
    [null as unknown as object, /"config" is null/],
  ])('%j', (config, message) => {
    expect(() => parseConfig(config)).toThrow(message);
  });
});
