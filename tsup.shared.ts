import type { Options } from 'tsup';

/** Build options every package starts from: ESM + CJS + types, one file per entry point. */
export function library(options: Options = {}): Options {
  return {
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    target: 'es2022',
    platform: 'neutral',
    sourcemap: true,
    clean: true,
    treeshake: true,
    removeNodeProtocol: false,
    // tsup's declaration build sets `baseUrl`, which TypeScript 6 reports as deprecated.
    dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [] } },
    ...options,
    // Node's own modules are never bundled; the layer check keeps them out of what browsers load.
    external: [/^node:/, ...(options.external ?? [])],
    // `npm start` runs the packages and needs no types, which take most of the build's time.
    ...(process.env.GPT_LINEAGE_JS_ONLY ? { dts: false } : {}),
  };
}
