import { elementwiseRules } from './elementwise.js';
import type { KernelRule } from './emit.js';
import { fusedRules } from './fused.js';
import { layoutRules } from './layout.js';
import { productRules } from './products.js';
import { reductionRules } from './reductions.js';
import { unsupportedRules } from './unsupported.js';

/** How each TensorFlow.js kernel enters the graph, by kernel name. */
export function kernelRules(): [string, KernelRule][] {
  return Object.entries({
    ...unsupportedRules,
    ...elementwiseRules,
    ...reductionRules,
    ...layoutRules,
    ...productRules,
    ...fusedRules,
  });
}
