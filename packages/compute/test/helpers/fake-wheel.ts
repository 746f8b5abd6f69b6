import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

/** A zip archive as pip's wheels are: deflated entries, a RECORD with checksums. */
export function fakeWheel(files: Readonly<Record<string, string>>, badRecordFor?: string): Buffer {
  const record = Object.entries(files).map(([name, text]) => {
    const digest = createHash('sha256').update(name === badRecordFor ? `${text}?` : text);
    return `${name},sha256=${digest.digest('base64url')},${text.length}`;
  });
  const dist = 'tensorflow_cpu-9.9.9.dist-info';
  return zip({ ...files, [`${dist}/RECORD`]: `${record.join('\n')}\n${dist}/RECORD,,\n` });
}

export const fakeLibraries = {
  'tensorflow/libtensorflow_cc.so.2': 'cc'.repeat(50_000),
  'tensorflow/libtensorflow_framework.so.2': 'framework'.repeat(9_000),
  'tensorflow/include/tensorflow/c/c_api.h': '// c api',
  'tensorflow/include/tensorflow/c/eager/c_api.h': '// eager',
  'tensorflow/include/tensorflow/core/platform/ctstring_internal.h': '// string',
  'tensorflow/include/xla/tsl/c/tsl_status.h': '// status',
  'tensorflow/include/tensorflow/compiler/unneeded.h': '// not wanted',
  'tensorflow/python/big.py': 'x = 1\n'.repeat(1000),
};

function zip(files: Readonly<Record<string, string>>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const raw = Buffer.from(text);
    const packed = deflateRawSync(raw);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(raw), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(raw.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const body = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const entry = Buffer.alloc(16);
    entry.writeUInt32LE(offset, 12);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, entry.subarray(2), Buffer.from(name)]),
    );
    bodies.push(body);
    offset += body.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, index, end]);
}

function crc32(data: Uint8Array): number {
  let crc = -1;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ -1) >>> 0;
}
