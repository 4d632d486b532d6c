import { maxCount, pack, wordsOf } from "./bits.ts";
import type { ByteWriter } from "./bytes.ts";
import { forms, wide } from "./integer-forms.ts";

/** The greatest distance between two integers of a run: zigzag of a delta of deltas stays a safe integer. */
const maxSpan = 2 ** 51;
/** Steps below this let all narrow forms be computed in int32. */
const narrowStep = 2 ** 29;

const steps = new Int32Array(maxCount);
const residuals = new Int32Array(maxCount);
const upper = new Int32Array(maxCount);

interface Extent {
  readonly low: number;
  readonly span: number;
  readonly minStep: number;
  readonly maxStep: number;
}

/** Finds the extent and leaves the distances in `steps`. */
const measure = (source: Float64Array, count: number): Extent => {
  let previous = source[0] as number;
  let low = previous;
  let high = previous;
  let minStep = Number.POSITIVE_INFINITY;
  let maxStep = Number.NEGATIVE_INFINITY;
  for (let i = 1; i < count; i++) {
    const value = source[i] as number;
    const step = value - previous;
    // Kept in int32 only by steps below narrowStep; else nobody reads it.
    steps[i] = step;
    if (value < low) low = value;
    if (value > high) high = value;
    if (step < minStep) minStep = step;
    if (step > maxStep) maxStep = step;
    previous = value;
  }
  return { low, span: high - low, minStep, maxStep };
};

/**
 * Encodes `source[0, count)`: safe integers (no -0), 1 to 65,536 of them. Returns false, having written nothing, when
 * two of them are further apart than 2^51.
 */
export const encodeIntegers = (writer: ByteWriter, source: Float64Array, count: number): boolean => {
  const first = source[0] as number;
  const extent = measure(source, count);
  if (extent.span > maxSpan) return false;
  if (count === 1 || extent.minStep === extent.maxStep) {
    encodeLinear(writer, first, count === 1 ? 0 : extent.minStep);
    return true;
  }
  if (extent.minStep > -narrowStep && extent.maxStep < narrowStep) {
    encodeNarrow(writer, source, count, extent);
  } else {
    encodeWide(writer, source, count, extent);
  }
  return true;
};

/** What `encodeIntegers` writes for first, first + step, first + 2 * step and so on. */
export const encodeLinear = (writer: ByteWriter, first: number, step: number): void =>
  writeHead(writer, forms.linear, first, step);

const writeHead = (writer: ByteWriter, form: number, first: number, bias: number): void => {
  writer.byte(form);
  writer.signed(first);
  writer.signed(bias);
};

const biasOf = (form: number, source: Float64Array, extent: Extent): number => {
  if (form === forms.plain) return extent.low;
  if (form === forms.step) return extent.minStep;
  return form === forms.deltaOfDelta ? (source[1] as number) - (source[0] as number) : 0;
};

const encodeNarrow = (writer: ByteWriter, source: Float64Array, count: number, extent: Extent): void => {
  steps[0] = steps[1] as number;
  const first = source[0] as number;
  const form = smallestNarrow(count, extent, first - extent.low);
  const bias = biasOf(form, source, extent);
  writeHead(writer, form, first, bias);
  fillNarrow(form, count, form === forms.plain ? first - bias : bias);
  pack(writer, residuals, 1, count - 1);
};

/** The form whose residuals take the fewest words; all four are measured in one pass over the steps. */
const smallestNarrow = (count: number, extent: Extent, firstAboveLow: number): number => {
  const bias = extent.minStep | 0;
  const plainFits = extent.span < 2 ** 31;
  let level = plainFits ? firstAboveLow | 0 : 0;
  let previous = steps[0] as number;
  let plain = 0;
  let delta = 0;
  let step = 0;
  let deltaOfDelta = 0;
  for (let start = 1; start < count; start += 32) {
    const stop = Math.min(start + 32, count);
    let plainBits = 0;
    let deltaBits = 0;
    let stepBits = 0;
    let dodBits = 0;
    for (let i = start; i < stop; i++) {
      const s = steps[i] as number;
      const change = (s - previous) | 0;
      level = (level + s) | 0;
      plainBits |= level;
      deltaBits |= (s << 1) ^ (s >> 31);
      stepBits |= s - bias;
      dodBits |= (change << 1) ^ (change >> 31);
      previous = s;
    }
    const length = stop - start;
    plain += wordsOf(plainBits, length);
    delta += wordsOf(deltaBits, length);
    step += wordsOf(stepBits, length);
    deltaOfDelta += wordsOf(dodBits, length);
  }
  // Ties go to the form that decodes fastest.
  const best = Math.min(plainFits ? plain : Number.POSITIVE_INFINITY, delta, step, deltaOfDelta);
  if (plainFits && plain === best) return forms.plain;
  if (step === best) return forms.step;
  return delta === best ? forms.delta : forms.deltaOfDelta;
};

const fillNarrow = (form: number, count: number, bias: number): void => {
  const start = bias | 0;
  if (form === forms.plain) {
    let level = start;
    for (let i = 1; i < count; i++) {
      level = (level + (steps[i] as number)) | 0;
      residuals[i] = level;
    }
  } else if (form === forms.step) {
    for (let i = 1; i < count; i++) residuals[i] = (steps[i] as number) - start;
  } else if (form === forms.delta) {
    for (let i = 1; i < count; i++) residuals[i] = ((steps[i] as number) << 1) ^ ((steps[i] as number) >> 31);
  } else {
    for (let i = 1; i < count; i++) {
      const change = ((steps[i] as number) - (steps[i - 1] as number)) | 0;
      residuals[i] = (change << 1) ^ (change >> 31);
    }
  }
};

const encodeWide = (writer: ByteWriter, source: Float64Array, count: number, extent: Extent): void => {
  let best: number = forms.plain;
  let bestWords = Number.POSITIVE_INFINITY;
  for (const form of [forms.plain, forms.step, forms.delta, forms.deltaOfDelta]) {
    fillWide(form, source, count, biasOf(form, source, extent));
    const words = packedWords(residuals, count) + packedWords(upper, count);
    if (words < bestWords) {
      best = form;
      bestWords = words;
    }
  }
  const bias = biasOf(best, source, extent);
  fillWide(best, source, count, bias);
  writeHead(writer, best + wide, source[0] as number, bias);
  pack(writer, residuals, 1, count - 1);
  pack(writer, upper, 1, count - 1);
};

const packedWords = (source: Int32Array, count: number): number => {
  let words = 0;
  for (let start = 1; start < count; start += 32) {
    const stop = Math.min(start + 32, count);
    let bits = 0;
    for (let i = start; i < stop; i++) bits |= source[i] as number;
    words += wordsOf(bits, stop - start);
  }
  return words;
};

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);

const fillWide = (form: number, source: Float64Array, count: number, bias: number): void => {
  let previous = source[0] as number;
  let previousStep = bias;
  for (let i = 1; i < count; i++) {
    const value = source[i] as number;
    const step = value - previous;
    let residual = value - bias;
    if (form === forms.step) residual = step - bias;
    else if (form === forms.delta) residual = zigzag(step);
    else if (form === forms.deltaOfDelta) residual = zigzag(step - previousStep);
    const high = Math.floor(residual / 2 ** 32);
    upper[i] = high;
    residuals[i] = residual - high * 2 ** 32;
    previous = value;
    previousStep = step;
  }
};
