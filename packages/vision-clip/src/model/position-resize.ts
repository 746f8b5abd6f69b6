/** Bicubic weight with a = −0.75, PyTorch's choice for `interpolate` (Pillow's is −0.5). */
function cubic(distance: number): number {
  const a = -0.75;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** `[outputs, inputs]` weights along one axis: half-pixel centres, four taps, edges repeated, no antialiasing. */
function axisWeights(inputs: number, outputs: number): Float64Array {
  const weights = new Float64Array(outputs * inputs);
  for (let output = 0; output < outputs; output++) {
    const position = ((output + 0.5) * inputs) / outputs - 0.5;
    const base = Math.floor(position);
    for (let tap = base - 1; tap <= base + 2; tap++) {
      const clamped = Math.min(inputs - 1, Math.max(0, tap));
      weights[output * inputs + clamped]! += cubic(position - tap);
    }
  }
  return weights;
}

/** The matrix `[rows·columns, side²]` that turns a square grid of positions into a `rows × columns` one. */
export function positionResizeMatrix(side: number, rows: number, columns: number): Float32Array {
  const vertical = axisWeights(side, rows);
  const horizontal = axisWeights(side, columns);
  const matrix = new Float32Array(rows * columns * side * side);
  let index = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          matrix[index++] = vertical[row * side + y]! * horizontal[column * side + x]!;
        }
      }
    }
  }
  return matrix;
}
