/**
 * The UTF-8 of a JSON text. A lone surrogate has none; inside a JSON text it can only stand in a string, where its
 * escape means the same, so that is what is kept.
 */
export const utf8Of = (text: string): Buffer => Buffer.from(text.isWellFormed() ? text : escaped(text));

const escaped = (text: string): string =>
  text.replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16).padStart(4, "0")}`);
