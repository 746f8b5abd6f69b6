import { CheckpointError } from '../errors.js';
import { urlSource } from '../safetensors/byte-source.js';
import type { Folder } from './types.js';

/** A model folder behind http(s), for example one on a static file server. Read only. */
export function openUrlFolder(location: string): Folder {
  const base = location.endsWith('/') ? location : `${location}/`;
  const get = async (name: string): Promise<Response | undefined> => {
    const response = await fetch(`${base}${name}`);
    if (response.status === 404 || response.status === 403) return undefined;
    if (!response.ok) throw new CheckpointError(`${base}${name}: HTTP ${response.status}`);
    return response;
  };
  return {
    location: base,
    readText: async (name) => (await get(name))?.text(),
    readBytes: async (name) => {
      const response = await get(name);
      return response && new Uint8Array(await response.arrayBuffer());
    },
    openSource: async (name) => {
      const probe = await fetch(`${base}${name}`, { method: 'HEAD' });
      return probe.ok ? urlSource(`${base}${name}`) : undefined;
    },
    save: async () => {
      throw new CheckpointError(`${base} is remote; models are saved to a local folder`);
    },
  };
}
