import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';

/** A linear layer that can carry an adapter. */
export interface LinearModule {
  /** `transformer.h.0.attn.c_attn` */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** Every linear layer of the blocks, in order. */
export function allLinear(model: GPT): LinearModule[] {
  const modules: LinearModule[] = [];
  for (const [name, { shape }] of model.variables) {
    const match = /^(.*\.(?:attn|mlp)\.c_(?:attn|proj|fc))\.weight$/.exec(name);
    if (match) modules.push({ name: match[1]!, inputs: shape[0]!, outputs: shape[1]! });
  }
  return modules;
}

/**
 * The modules whose names end in one of the targets, as PEFT matches `target_modules`.
 *
 * @throws {InvalidArgumentError} naming a target that matches nothing
 */
export function targetedModules(model: GPT, targets: readonly string[] | 'all-linear'): LinearModule[] {
  const modules = allLinear(model);
  if (targets === 'all-linear') return modules;
  const matches = ({ name }: LinearModule, target: string) => name === target || name.endsWith(`.${target}`);
  for (const target of targets)
    if (!modules.some((module) => matches(module, target)))
      throw new InvalidArgumentError(
        'targetModules',
        target,
        `no linear layer ends in this; there are ${[...new Set(modules.map(({ name }) => name.split('.').at(-1)))].join(', ')}`,
      );
  const chosen = modules.filter((module) => targets.some((target) => matches(module, target)));
  if (chosen.length === 0)
    throw new InvalidArgumentError('targetModules', targets, 'name at least one module');
  return chosen;
}
