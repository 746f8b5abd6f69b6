import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** The addon is keyed by the tfjs-node version whose C++ sources it was compiled from, and by its N-API level. */
export const napiVersion = 8;

/** `$XDG_CACHE_HOME/gpt-lineage`, `~/.cache/gpt-lineage`, or what `GPT_LINEAGE_CACHE` names. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env.GPT_LINEAGE_CACHE) return path.resolve(env.GPT_LINEAGE_CACHE);
  if (env.XDG_CACHE_HOME) return path.join(env.XDG_CACHE_HOME, 'gpt-lineage');
  if (process.platform === 'win32' && env.LOCALAPPDATA) {
    return path.join(env.LOCALAPPDATA, 'gpt-lineage', 'Cache');
  }
  return path.join(os.homedir(), '.cache', 'gpt-lineage');
}

export function addonFile(tfjsNodeVersion: string): string {
  return `tfjs_binding-${tfjsNodeVersion}-napi${napiVersion}.node`;
}

/** What `install-native` writes last, so its presence means that everything before it is complete. */
export interface NativeManifest {
  readonly library: 'libtensorflow';
  readonly version: string;
  readonly variant: 'cpu' | 'gpu';
  readonly source: string;
  readonly installedAt: string;
  /** File name (relative to the folder) → size in bytes and SHA-256. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

export interface NativeInstallation {
  readonly directory: string;
  readonly manifest: NativeManifest;
}

/** Complete installations in the cache, newest TensorFlow first, GPU before CPU builds of one version. */
export function listInstallations(root: string = cacheRoot()): NativeInstallation[] {
  const found: NativeInstallation[] = [];
  for (const entry of entriesOf(root)) {
    if (!entry.startsWith('libtensorflow-')) continue;
    const directory = path.join(root, entry);
    const manifest = readManifest(directory);
    if (manifest !== undefined) found.push({ directory, manifest });
  }
  const variantRank = (m: NativeManifest) => (m.variant === 'gpu' ? 0 : 1);
  return found.sort(
    (a, b) =>
      b.manifest.version.localeCompare(a.manifest.version, 'en', { numeric: true }) ||
      variantRank(a.manifest) - variantRank(b.manifest),
  );
}

/** Nothing is installed where there is no readable folder. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export function readManifest(directory: string): NativeManifest | undefined {
  try {
    const manifest = JSON.parse(
      readFileSync(path.join(directory, 'manifest.json'), 'utf8'),
    ) as NativeManifest;
    return manifest.library === 'libtensorflow' && typeof manifest.version === 'string'
      ? manifest
      : undefined;
  } catch {
    return undefined;
  }
}
