/**
 * Node's built-ins, reached at run time so that this code can also be bundled for browsers, where it reports that there
 * are none.
 */
interface NodeProcess {
  readonly platform: string;
  readonly arch: string;
  readonly env: Record<string, string | undefined>;
  getBuiltinModule?(name: string): unknown;
}

export function nodeProcess(): NodeProcess | undefined {
  const candidate = (globalThis as { process?: NodeProcess & { versions?: { node?: string } } }).process;
  return candidate?.versions?.node === undefined ? undefined : candidate;
}

export function builtin<T>(name: string): T | undefined {
  return nodeProcess()?.getBuiltinModule?.(name) as T | undefined;
}

let collect: (() => void) | undefined;

/**
 * Frees the arrays that nobody holds any more. The engine would leave gigabytes of them lying for minutes: what it counts
 * is its own small heap. Does nothing in browsers.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    const v8 = builtin<{ setFlagsFromString(flags: string): void }>('v8');
    const vm = builtin<{ runInNewContext(code: string): unknown }>('vm');
    v8?.setFlagsFromString('--expose-gc');
    const gc = v8 === undefined ? undefined : vm?.runInNewContext('globalThis.gc');
    v8?.setFlagsFromString('--no-expose-gc');
    collect = typeof gc === 'function' ? () => gc() : () => {};
  }
  collect();
}

/** `require` of this package: finds its optional dependencies wherever it is installed. */
export function requireOptional<T>(name: string): T | undefined {
  const module = builtin<{ createRequire(from: string): (name: string) => unknown }>('module');
  if (module === undefined) return undefined;
  try {
    return module.createRequire(import.meta.url)(name) as T;
  } catch (error) {
    if ((error as { code?: string }).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
