import { maxCount, unpack } from "./bits.ts";
import type { ByteReader } from "./bytes.ts";
import { CorruptBlob } from "./corrupt.ts";
import { forms, wide } from "./integer-forms.ts";

const residuals = new Int32Array(maxCount);
const upper = new Int32Array(maxCount);

/**
 * Decodes `count` integers into `target[0, count)`, as integer * unit + rest. (From the first one on, steps are
 * multiplied, because an integer * unit alone may pass 2^53 where the sum with a negative rest does not.)
 * Throws CorruptBlob when the bytes do not hold such a run; bytes that no encoder wrote may yield any numbers.
 */
export const decodeIntegers = (
  reader: ByteReader,
  target: Float64Array,
  count: number,
  unit: number,
  rest: number,
): void => {
  const form = reader.byte();
  const firstInteger = reader.signed();
  const bias = reader.signed();
  const first = firstInteger * unit + rest;
  target[0] = first;
  if (form === forms.linear) {
    const step = bias * unit;
    for (let i = 1; i < count; i++) target[i] = first + i * step;
    return;
  }
  unpack(reader, residuals, 1, count - 1);
  if (form === forms.plain) restorePlain(target, count, first + (bias - firstInteger) * unit, unit);
  else if (form === forms.step) restoreSteps(target, count, first, bias, unit);
  else if (form === forms.delta) restoreDeltas(target, count, first, unit);
  else if (form === forms.deltaOfDelta) restoreDeltasOfDeltas(target, count, first, bias, unit);
  else if (form > wide && form <= wide + forms.deltaOfDelta) {
    unpack(reader, upper, 1, count - 1);
    restoreWide(form - wide, target, count, form === wide + forms.plain ? bias - firstInteger : bias, unit);
  } else throw new CorruptBlob(`The blob names an unknown form ${form} of integers.`);
};

/** A run of the linear form; whose form is known to be that. */
export const readLinear = (reader: ByteReader): { first: number; step: number } => {
  reader.byte();
  return { first: reader.signed(), step: reader.signed() };
};

const restorePlain = (target: Float64Array, count: number, low: number, unit: number): void => {
  for (let i = 1; i < count; i++) target[i] = low + ((residuals[i] as number) >>> 0) * unit;
};

const restoreSteps = (
  target: Float64Array,
  count: number,
  first: number,
  bias: number,
  unit: number,
): void => {
  let value = first;
  for (let i = 1; i < count; i++) {
    value += (bias + ((residuals[i] as number) >>> 0)) * unit;
    target[i] = value;
  }
};

const restoreDeltas = (target: Float64Array, count: number, first: number, unit: number): void => {
  let value = first;
  for (let i = 1; i < count; i++) {
    const residual = residuals[i] as number;
    value += ((residual >>> 1) ^ -(residual & 1)) * unit;
    target[i] = value;
  }
};

const restoreDeltasOfDeltas = (
  target: Float64Array,
  count: number,
  first: number,
  bias: number,
  unit: number,
): void => {
  let value = first;
  let step = bias;
  for (let i = 1; i < count; i++) {
    const residual = residuals[i] as number;
    step += (residual >>> 1) ^ -(residual & 1);
    value += step * unit;
    target[i] = value;
  }
};

const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

/** `bias` of the plain form is here the distance of the lowest integer from the first. */
const restoreWide = (form: number, target: Float64Array, count: number, bias: number, unit: number): void => {
  const first = target[0] as number;
  let value = first;
  let step = bias;
  for (let i = 1; i < count; i++) {
    const residual = ((upper[i] as number) >>> 0) * 2 ** 32 + ((residuals[i] as number) >>> 0);
    if (form === forms.plain) value = first + (bias + residual) * unit;
    else if (form === forms.step) value += (bias + residual) * unit;
    else if (form === forms.delta) value += unzigzag(residual) * unit;
    else {
      step += unzigzag(residual);
      value += step * unit;
    }
    target[i] = value;
  }
};
