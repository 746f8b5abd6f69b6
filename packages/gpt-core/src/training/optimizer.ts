// TEMPORARY until AdamW of @gpt-lineage/compute lands.
import * as tf from '@tensorflow/tfjs-core';
import type { StateTensors } from './checkpoint-store.js';
import type { PretrainOptions } from './pretrain-options.js';
import { readStateTensors, restoreStateTensor } from './state-tensors.js';

export interface TrainingOptimizer {
  apply(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number): void;
  tensors(): Promise<StateTensors>;
  restore(tensors: StateTensors, updates: number, path: string): void;
  dispose(): void;
}

export function createOptimizer(
  variables: ReadonlyMap<string, tf.Variable>,
  options: PretrainOptions,
): TrainingOptimizer {
  const [b1, b2] = options.betas ?? [0.9, 0.95];
  const eps = options.epsilon ?? 1e-8;
  const wd = options.weightDecay ?? 0.1;
  const m = new Map<string, tf.Variable>();
  const v = new Map<string, tf.Variable>();
  let t = 0;
  for (const [n, x] of variables) {
    m.set(
      n,
      tf.tidy(() => tf.variable(tf.zerosLike(x), false)),
    );
    v.set(
      n,
      tf.tidy(() => tf.variable(tf.zerosLike(x), false)),
    );
  }
  return {
    apply(g, lr) {
      t++;
      for (const [n, x] of variables)
        tf.tidy(() => {
          const M = m.get(n)!;
          const V = v.get(n)!;
          const d = g.get(n)!;
          M.assign(tf.add(tf.mul(M, b1), tf.mul(d, 1 - b1)));
          V.assign(tf.add(tf.mul(V, b2), tf.mul(tf.square(d), 1 - b2)));
          const decay = options.decayed === 'all' || x.rank >= 2 ? wd : 0;
          const upd = tf.div(tf.div(M, 1 - b1 ** t), tf.add(tf.sqrt(tf.div(V, 1 - b2 ** t)), eps));
          x.assign(tf.sub(tf.mul(x, 1 - lr * decay), tf.mul(upd, lr)));
        });
    },
    tensors: () =>
      readStateTensors([
        ...[...m].map(([n, x]) => [`m/${n}`, x] as const),
        ...[...v].map(([n, x]) => [`v/${n}`, x] as const),
      ]),
    restore(s, updates, path) {
      t = updates;
      for (const [n, x] of m) restoreStateTensor(s, `m/${n}`, x, path);
      for (const [n, x] of v) restoreStateTensor(s, `v/${n}`, x, path);
    },
    dispose() {
      tf.dispose([...m.values(), ...v.values()]);
    },
  };
}
