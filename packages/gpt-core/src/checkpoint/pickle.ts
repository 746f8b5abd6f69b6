/** Calls that a pickle asks for are data here: the reader of the checkpoint decides what they mean, nothing runs. */
export type Call = { readonly callee: string; readonly args: readonly Pickled[] };
export type Reference = { readonly persistent: Pickled };
export type Pickled =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly Pickled[]
  | Map<Pickled, Pickled>
  | { readonly name: string }
  | Call
  | Reference;

const mark = Symbol('mark');
type Slot = Pickled | typeof mark;

/** The pickle is damaged, or uses what a file of weights has no use for. */
export class PickleError extends Error {}

/**
 * Reads the subset of Python's pickle protocol that files of weights use (protocols 2 to 4: containers, strings,
 * numbers, names, calls, references). No code of the file runs: a name stays a name, a call a record.
 *
 * @throws {PickleError} anything else
 */
export function readPickle(bytes: Uint8Array): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const stack: Slot[] = [];
  const memo = new Map<number, Slot>();
  let at = 0;

  const take = (count: number): Uint8Array => {
    if (count > bytes.length - at) throw new PickleError('it ends too early');
    at += count;
    return bytes.subarray(at - count, at);
  };
  const number = (count: number, read: (offset: number) => number): number => {
    take(count);
    return read(at - count);
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new PickleError('it ends too early');
    const text = decoder.decode(bytes.subarray(at, end));
    at = end + 1;
    return text;
  };
  const pop = (): Pickled => {
    const value = stack.pop();
    if (value === undefined || value === mark) throw new PickleError('its stack is empty');
    return value;
  };
  const popToMark = (): Pickled[] => {
    const from = stack.lastIndexOf(mark);
    if (from < 0) throw new PickleError('a mark is missing');
    return stack.splice(from).slice(1) as Pickled[];
  };
  const set = (pairs: readonly Pickled[]) => {
    const target = stack.at(-1);
    // An OrderedDict is made by a call without arguments.
    const map = target instanceof Map ? target : undefined;
    if (map === undefined || pairs.length % 2 !== 0) throw new PickleError('items have no dictionary');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i]!, pairs[i + 1]!);
  };
  const long = (count: number): number | bigint => {
    let value = 0n;
    const digits = take(count);
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]!);
    if (count > 0 && digits[count - 1]! > 127) value -= 1n << BigInt(8 * count);
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  };
  const call = () => {
    const args = pop();
    const callee = pop();
    const name = typeof callee === 'object' && callee !== null && 'name' in callee ? callee.name : undefined;
    if (name === undefined || !Array.isArray(args)) throw new PickleError('it calls what is no name');
    stack.push(name === 'collections.OrderedDict' && args.length === 0 ? new Map() : { callee: name, args });
  };

  const operations: Record<number, () => void> = {
    128: () => void take(1), // PROTO
    149: () => void take(8), // FRAME
    40: () => stack.push(mark), // MARK
    48: () => void pop(), // POP
    78: () => stack.push(null), // NONE
    136: () => stack.push(true), // NEWTRUE
    137: () => stack.push(false), // NEWFALSE
    74: () => stack.push(number(4, (o) => view.getInt32(o, true))), // BININT
    75: () => stack.push(number(1, (o) => view.getUint8(o))), // BININT1
    77: () => stack.push(number(2, (o) => view.getUint16(o, true))), // BININT2
    71: () => stack.push(number(8, (o) => view.getFloat64(o))), // BINFLOAT
    138: () => stack.push(long(number(1, (o) => view.getUint8(o)))), // LONG1
    88: () => stack.push(decoder.decode(take(number(4, (o) => view.getUint32(o, true))))), // BINUNICODE
    140: () => stack.push(decoder.decode(take(number(1, (o) => view.getUint8(o))))), // SHORT_BINUNICODE
    66: () => stack.push(take(number(4, (o) => view.getUint32(o, true)))), // BINBYTES
    67: () => stack.push(take(number(1, (o) => view.getUint8(o)))), // SHORT_BINBYTES
    125: () => stack.push(new Map()), // EMPTY_DICT
    93: () => stack.push([]), // EMPTY_LIST
    41: () => stack.push([]), // EMPTY_TUPLE
    133: () => stack.push([pop()]), // TUPLE1
    134: () => stack.push([pop(), pop()].reverse()), // TUPLE2
    135: () => stack.push([pop(), pop(), pop()].reverse()), // TUPLE3
    116: () => stack.push(popToMark()), // TUPLE
    97: () => {
      const item = pop(); // APPEND
      const list = pop();
      if (!Array.isArray(list)) throw new PickleError('an item has no list');
      stack.push([...list, item]);
    },
    101: () => {
      const items = popToMark(); // APPENDS
      const list = pop();
      if (!Array.isArray(list)) throw new PickleError('items have no list');
      stack.push([...list, ...items]);
    },
    115: () => set([pop(), pop()].reverse()), // SETITEM
    117: () => set(popToMark()), // SETITEMS
    113: () =>
      memo.set(
        number(1, (o) => view.getUint8(o)),
        stack.at(-1)!,
      ), // BINPUT
    114: () =>
      memo.set(
        number(4, (o) => view.getUint32(o, true)),
        stack.at(-1)!,
      ), // LONG_BINPUT
    148: () => memo.set(memo.size, stack.at(-1)!), // MEMOIZE
    104: () => recall(number(1, (o) => view.getUint8(o))), // BINGET
    106: () => recall(number(4, (o) => view.getUint32(o, true))), // LONG_BINGET
    99: () => stack.push({ name: `${line()}.${line()}` }), // GLOBAL
    147: () => {
      const [name, module] = [pop(), pop()]; // STACK_GLOBAL
      stack.push({ name: `${module}.${name}` });
    },
    81: () => stack.push({ persistent: pop() }), // BINPERSID
    82: call, // REDUCE
    98: () => void pop(), // BUILD: attributes of an object, which weights do not need
  };
  const recall = (key: number) => {
    const value = memo.get(key);
    if (value === undefined) throw new PickleError('it refers to what it did not remember');
    stack.push(value);
  };

  for (;;) {
    const code = take(1)[0]!;
    if (code === 46) return pop(); // STOP
    const operation = operations[code];
    if (operation === undefined) throw new PickleError(`operation ${code} has no place in a file of weights`);
    operation();
  }
}
