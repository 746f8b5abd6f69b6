import { CaptureError, FeedError } from './errors.js';
import type { HostArray, Meta } from './graph.js';
import type { Trace } from './trace.js';

/** A tensor among the arguments of a call. */
export interface Placed extends Meta {
  /** Where it stands: `0`, `5.2`. */
  readonly path: string;
}

/** What the caller passed for it. */
export interface Leaf extends Placed {
  readonly read: () => HostArray;
  /** The caller's own memory, where the argument is a typed array of the right type. */
  readonly memory?: HostArray;
}

/** Results that overwrite arguments: for a property of the result, the position of the argument. */
export class InPlace {
  private readonly arguments: Readonly<Record<string, number>>;
  /** By paths of results: the paths of what they overwrite. A decoder asks at every step. */
  private readonly known = new WeakMap<readonly string[], readonly (string | undefined)[]>();

  constructor(positions: Readonly<Record<string, number>> = {}) {
    this.arguments = positions;
  }

  /** @throws {CaptureError} when a result has another structure, shape or type than what it overwrites */
  check({ paths, program }: Trace, leaves: readonly Placed[]): void {
    const describe = ({ dtype, shape }: Meta) => `${dtype} [${shape}]`;
    const known = new Map(leaves.map((leaf) => [leaf.path, describe(leaf)]));
    for (const name of Object.keys(this.arguments)) {
      if (paths.some((path) => path.split('.')[0] === name)) continue;
      throw new CaptureError('inPlace', `the function returns no tensors as '${name}'`);
    }
    paths.forEach((path, i) => {
      const target = this.target(path);
      if (target === undefined) return;
      const [is, wanted] = [describe(program.fetches[i]!), known.get(target)];
      if (is === wanted) return;
      throw new CaptureError(
        'inPlace',
        `result ${path} is ${is} and cannot overwrite argument ${target}, which is ${wanted ?? 'not there'}`,
      );
    });
  }

  /**
   * @returns for each result: the memory that takes its values
   * @throws {FeedError} when that is not the caller's
   */
  targets(paths: readonly string[], leaves: readonly Leaf[]): (HostArray | undefined)[] {
    if (Object.keys(this.arguments).length === 0) return [];
    let overwritten = this.known.get(paths);
    if (overwritten === undefined) {
      overwritten = paths.map((path) => this.target(path));
      this.known.set(paths, overwritten);
    }
    const memories = new Map<string, HostArray | undefined>();
    for (const { path, memory } of leaves) memories.set(path, memory);
    return overwritten.map((target) => {
      if (target === undefined) return undefined;
      const memory = memories.get(target);
      if (memory !== undefined) return memory;
      throw new FeedError(`argument ${target} is overwritten: it must be a typed array of its own type`);
    });
  }

  /** A call's result without what stands in arguments. */
  strip(result: unknown): unknown {
    for (const name of Object.keys(this.arguments)) delete (result as Record<string, unknown>)[name];
    return result;
  }

  /** The path of the argument that a result overwrites. */
  private target(path: string): string | undefined {
    const [name, ...rest] = path.split('.');
    const position = this.arguments[name!];
    return position === undefined ? undefined : [position, ...rest].join('.');
  }
}
