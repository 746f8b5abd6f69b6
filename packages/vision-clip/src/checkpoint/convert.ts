import type { ForeignParameter } from '../checkpoint-names.js';
import { CheckpointError } from '../errors.js';
import type { ParameterSpec } from '../model/parameter-specs.js';
import type { SafetensorsFile } from '../safetensors/read.js';
import type { SafetensorsInput } from '../safetensors/write.js';

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1);

/** The shapes of the foreign tensors that make up one of our parameters. `undefined` where any shape of that size will do. */
function foreignShape(
  spec: ParameterSpec,
  { layout, names }: ForeignParameter,
): readonly number[] | undefined {
  switch (layout) {
    case 'reshaped':
      return undefined;
    case 'transposed':
      return [...spec.shape].reverse();
    case 'convolution': {
      const [height, width, input, output] = spec.shape as [number, number, number, number];
      return [output, input, height, width];
    }
    case 'same':
      return [spec.shape[0]! / names.length, ...spec.shape.slice(1)];
  }
}

/** Reads one of our parameters from a foreign checkpoint. @throws {CheckpointError} naming tensor and shapes */
export async function importParameter(
  file: SafetensorsFile,
  spec: ParameterSpec,
  foreign: ForeignParameter,
): Promise<Float32Array> {
  const expected = foreignShape(spec, foreign);
  const size = sizeOf(spec.shape);
  // All shapes first: a damaged config must not allocate what the file does not hold.
  for (const name of foreign.names) {
    const info = file.tensors.get(name);
    if (!info) throw new CheckpointError(`tensor "${name}" is missing (our ${spec.name})`);
    const fits = expected ? String(info.shape) === String(expected) : info.size === size;
    if (!fits) {
      throw new CheckpointError(
        `tensor "${name}" has shape [${info.shape}], the config needs [${expected ?? spec.shape}]`,
      );
    }
  }
  const values = new Float32Array(size);
  let offset = 0;
  for (const name of foreign.names) {
    const part = await file.readFloat32(name);
    values.set(part, offset);
    offset += part.length;
  }
  return permute(values, spec.shape, foreign.layout, 'import');
}

/** The foreign tensors of one of our parameters, for writing. `reshaped` gives the shape where ours does not tell. */
export function exportParameter(
  spec: ParameterSpec,
  foreign: ForeignParameter,
  read: () => Promise<Float32Array>,
  reshaped: readonly number[],
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): Record<string, SafetensorsInput> {
  const shape = foreignShape(spec, foreign) ?? reshaped;
  const partSize = sizeOf(shape);
  const out: Record<string, SafetensorsInput> = {};
  foreign.names.forEach((name, part) => {
    out[name] = {
      dtype,
      shape,
      data: async () => {
        const values = permute(await read(), spec.shape, foreign.layout, 'export');
        return values.subarray(part * partSize, (part + 1) * partSize);
      },
    };
  });
  return out;
}

function permute(
  values: Float32Array,
  shape: readonly number[],
  layout: ForeignParameter['layout'],
  direction: 'import' | 'export',
): Float32Array {
  if (layout === 'transposed') {
    const [rows, columns] = shape as [number, number];
    return direction === 'import' ? transpose(values, columns, rows) : transpose(values, rows, columns);
  }
  if (layout === 'convolution') {
    // theirs [out, in·height·width as in, (height, width)], ours [(height, width), in, out]
    const [height, width, input, output] = shape as [number, number, number, number];
    const plane = height * width;
    const result = new Float32Array(values.length);
    for (let o = 0; o < output; o++) {
      for (let i = 0; i < input; i++) {
        for (let p = 0; p < plane; p++) {
          const theirs = (o * input + i) * plane + p;
          const ours = (p * input + i) * output + o;
          if (direction === 'import') result[ours] = values[theirs]!;
          else result[theirs] = values[ours]!;
        }
      }
    }
    return result;
  }
  return values;
}

/** `[rows, columns]` → `[columns, rows]` */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column]!;
  }
  return out;
}
