// Hostile variants of a good file: what bad disks, cut transfers and people with intentions make of it.

/** A small random stream: the same seed gives the same inputs. */
export function random(seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const tokens = [
  ...[
    'null',
    '-1',
    '1e999',
    '9007199254740993',
    '""',
    '[]',
    '{}',
    '[[[[[[[[',
    '{"a":{"a":{"a":',
    '\\ud800',
    '\u0000',
  ],
  ...[
    'true',
    'NaN',
    '__proto__',
    '0x10',
    '-0',
    '1.5',
    '"constructor"',
    '\ufeff',
    '\r\n',
    '4294967296',
    '../../etc',
  ],
];

const operations = [
  // Flipped bits, single and in runs.
  (bytes, draw) => {
    for (let i = 0, count = 1 + draw(8); i < count && bytes.length > 0; i++)
      bytes[draw(bytes.length)] ^= 1 << draw(8);
    return bytes;
  },
  (bytes, draw) => {
    const at = draw(bytes.length + 1);
    return bytes.fill(draw(256), at, Math.min(bytes.length, at + draw(32)));
  },
  // Cut off, anywhere; with a preference for the beginning, where headers stand.
  (bytes, draw) => bytes.subarray(0, draw(draw(3) === 0 ? Math.min(64, bytes.length + 1) : bytes.length + 1)),
  // A piece missing, doubled, or moved in from elsewhere.
  (bytes, draw) => {
    const [at, size] = [draw(bytes.length + 1), draw(64)];
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
  },
  (bytes, draw) => {
    const [at, from, size] = [draw(bytes.length + 1), draw(bytes.length + 1), draw(256)];
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + size), bytes.subarray(at)]);
  },
  // Text that parsers stumble over.
  (bytes, draw) => {
    const at = draw(bytes.length + 1);
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from(tokens[draw(tokens.length)]),
      bytes.subarray(at),
    ]);
  },
  // Numbers replaced by others.
  (bytes, draw) => {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
    if (numbers.length === 0) return bytes;
    const { 0: old, index } = numbers[draw(numbers.length)];
    const values = ['-1', '0', '1e308', '4294967296', '9007199254740992', '1.5', `${old}0`, 'null', '"1"'];
    return Buffer.from(
      text.slice(0, index) + values[draw(values.length)] + text.slice(index + old.length),
      'latin1',
    );
  },
  // Lengths of binary headers.
  (bytes, draw) => {
    if (bytes.length < 16) return bytes;
    const at = draw(Math.min(32, bytes.length - 8));
    bytes.writeBigUInt64LE([0n, 1n, 2n ** 63n, 2n ** 32n, 2n ** 53n, BigInt(bytes.length)][draw(6)], at);
    return bytes;
  },
];

/** One hostile variant of `good`; number `index` of `seed` is always the same. */
export function mutate(good, seed, index) {
  const draw = random(seed * 1_000_003 + index);
  let bytes = Buffer.from(good);
  for (let i = 0, count = 1 + draw(3); i < count; i++)
    bytes = Buffer.from(operations[draw(operations.length)](bytes, draw));
  return bytes;
}
