/**
 * Whether a number's JSON source came through as the double `value` unchanged: any literal but a long integer that
 * the double neither holds nor prints in the same digits. Rounding a fraction's last digits is what doubles do;
 * storing another integer than the one sent would be silent damage.
 */
export const isExactNumber = (source: string, value: number): boolean =>
  !/^-?\d{16,}$/.test(source) ||
  String(value) === source ||
  (Number.isFinite(value) && BigInt(source) === BigInt(value));
