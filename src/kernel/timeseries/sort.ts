/**
 * Orders the indexes by their time, keeping the order of arrival among equal times: a natural merge sort, since what
 * arrives late mostly arrives as ascending stretches (a back-fill, a gateway that was offline).
 */
export function sortByTime(indexes: Int32Array, times: Float64Array): Int32Array {
  let bounds = ascendingStretches(indexes, times);
  let source: Int32Array = indexes;
  let target: Int32Array = new Int32Array(indexes.length);
  while (bounds.length > 2) {
    const merged = [0];
    for (let k = 0; k + 1 < bounds.length; k += 2) {
      const low = bounds[k] as number;
      const middle = bounds[k + 1] as number;
      const high = bounds[k + 2] ?? middle;
      mergeStretches(source, target, times, low, middle, high);
      merged.push(high);
    }
    bounds = merged;
    [source, target] = [target, source];
  }
  return source;
}

/** Where stretches begin, and the end of the last. */
function ascendingStretches(indexes: Int32Array, times: Float64Array): number[] {
  const bounds = [0];
  for (let i = 1; i < indexes.length; i++)
    if ((times[indexes[i] as number] as number) < (times[indexes[i - 1] as number] as number)) bounds.push(i);
  if (indexes.length > 0) bounds.push(indexes.length);
  return bounds;
}

function mergeStretches(
  source: Int32Array,
  target: Int32Array,
  times: Float64Array,
  low: number,
  middle: number,
  high: number,
): void {
  let left = low;
  let right = middle;
  for (let at = low; at < high; at++) {
    const takeLeft =
      left < middle &&
      (right >= high ||
        (times[source[left] as number] as number) <= (times[source[right] as number] as number));
    target[at] = source[takeLeft ? left++ : right++] as number;
  }
}
