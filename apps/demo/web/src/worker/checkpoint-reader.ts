import type { CheckpointReader } from '@gpt-lineage/gpt-core';
import { readSafetensors } from '@gpt-lineage/vision-clip/safetensors';

export type LoadProgress = (loaded: number, total: number) => void;

const cacheName = 'gpt-lineage-checkpoints';

/**
 * A checkpoint folder behind a URL. Weights are kept in the browser's cache under their entity tag, so a model that has
 * not changed is read from the disk the next time.
 */
export function checkpointReader(
  base: string,
  files: () => Promise<readonly string[] | undefined>,
  onProgress: LoadProgress = () => {},
): CheckpointReader {
  const path = base.endsWith('/') ? base : `${base}/`;
  return {
    path,
    readText: async (name) => {
      if ((await files())?.includes(name) === false) return undefined;
      const response = await fetch(path + name);
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Error(`${path}${name}: status ${response.status}`);
      return response.text();
    },
    openWeights: async () => {
      const bytes = await fetchBytes(`${path}model.safetensors`, onProgress);
      return bytes && readSafetensors(bytes);
    },
  };
}

async function fetchBytes(url: string, onProgress: LoadProgress): Promise<Uint8Array | undefined> {
  const cache = await openCache();
  const head = cache && (await fetch(url, { method: 'HEAD' }).catch(() => undefined));
  const tag = head?.ok ? (head.headers.get('etag') ?? head.headers.get('last-modified')) : null;
  const known = tag && (await cache!.match(url));
  if (known && known.headers.get('x-tag') === tag) return new Uint8Array(await known.arrayBuffer());
  const response = await fetch(url);
  if (response.status === 404) return undefined;
  if (!response.ok || !response.body) throw new Error(`${url}: status ${response.status}`);
  const total = Number(response.headers.get('content-length') ?? 0);
  const parts: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    onProgress(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  if (tag && cache) {
    await cache.put(url, new Response(bytes, { headers: { 'x-tag': tag } })).catch(() => undefined);
  }
  return bytes;
}

async function openCache(): Promise<Cache | undefined> {
  try {
    return await caches.open(cacheName);
  } catch {
    return undefined; // no secure context, or storage is off
  }
}
