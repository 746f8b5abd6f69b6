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
