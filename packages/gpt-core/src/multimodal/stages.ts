import type { MultimodalGPT } from './multimodal-gpt.js';

/**
 * What training changes. `align`: the projector alone, so that image tokens come to mean something to a language model
 * that stays as it is. `instruct`: projector and language model. `full`: the image encoder's layers below the features
 * as well. The first two are the stages of Liu et al. 2023, "Visual Instruction Tuning", section 4.2.
 */
export type TrainingStage = 'align' | 'instruct' | 'full';

/** Which variables of a model a stage trains, for the option `trainable` of the training loop. */
export function stageFilter(model: MultimodalGPT, stage: TrainingStage): (name: string) => boolean {
  const encoder = stage === 'full' ? encoderNames(model) : new Set<string>();
  return (name) => {
    if (name.startsWith('multi_modal_projector.')) return true;
    if (name.startsWith('vision_tower.')) return encoder.has(name);
    return stage !== 'align';
  };
}

/** Encoder parameters that the features depend on: no decay for what comes after them, or is text. */
function encoderNames({ clip, variables, config }: MultimodalGPT): Set<string> {
  const { vision } = clip.config;
  const blocks = vision?.kind === 'vit' ? vision.nLayer + 1 + config.vision.layer : Number.POSITIVE_INFINITY;
  const used = (name: string) => {
    if (!name.startsWith('vision.') || /^vision\.(projection|postNorm|pool)/.test(name)) return false;
    const block = /^vision\.blocks\.(\d+)\./.exec(name);
    return !block || Number(block[1]) < blocks;
  };
  const names = [...variables].filter(([, variable]) => variable.trainable).map(([name]) => name);
  return new Set(names.filter((name) => used(name.replace(/^vision_tower\./, ''))));
}
