/**
 * A run of integers: a form byte, the first integer, a bias, and one bit-packed residual for each later integer.
 * The encoder measures every form and takes the smallest.
 */
export const forms = {
  /** first + i * bias; no residuals. */
  linear: 0,
  /** bias + residual. */
  plain: 1,
  /** previous + zigzag residual. */
  delta: 2,
  /** previous + bias + residual; bias is the smallest step. */
  step: 3,
  /** previous + (previous step + zigzag residual); bias is the first step. */
  deltaOfDelta: 4,
} as const;

/** Added to a form whose residuals need more than 32 bits: low words, then high words, each packed. */
export const wide = 8;
