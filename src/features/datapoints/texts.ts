/** JSON of the value for an error text, cut to 60 characters. */
export function shorten(value: unknown): string {
  const text = JSON.stringify(typeof value === "string" ? value.slice(0, 80) : value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
