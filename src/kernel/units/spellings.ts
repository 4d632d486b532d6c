/** How people write units at sites, and the code each has in UCUM, the Unified Code for Units of Measure. */
const codes: ReadonlyMap<string, string> = new Map([
  ["°C", "Cel"],
  ["℃", "Cel"],
  ["degC", "Cel"],
  ["Celsius", "Cel"],
  ["°F", "[degF]"],
  ["℉", "[degF]"],
  ["degF", "[degF]"],
  ["degK", "K"],
  ["°", "deg"],
  ["ppm", "[ppm]"],
  ["ppb", "[ppb]"],
  ["psi", "[psi]"],
  ["BTU", "[Btu_IT]"],
  ["Btu", "[Btu_IT]"],
  ["Ω", "Ohm"],
  ["ohm", "Ohm"],
  ["rpm", "/min"],
  ["Wp", "W"],
  ["kWp", "kW"],
  ["sec", "s"],
  ["hour", "h"],
  ["hours", "h"],
  ["day", "d"],
  ["days", "d"],
  ["minute", "min"],
  ["minutes", "min"],
]);

const superscripts: Readonly<Record<string, string>> = { "⁻": "-", "¹": "1", "²": "2", "³": "3" };

/** Symbols that get a prefix and a trailing h without a dot: kWh, MVAh, kvarh, mAh. */
const power = /^([fpnumkMGTP]?)(W|VA|VAr|var|Var|V|A|J)(h?)$/;

/**
 * The UCUM code of a unit as it is usually written: `kWh` is `kW.h`, `W/m²` is `W/m2`, `°C` is `Cel`. What is not known
 * here comes back as it is.
 */
export function ucumCode(unit: string): string {
  const text = unit
    .trim()
    .replace(/[⁻¹²³]/g, (digit) => superscripts[digit] ?? digit)
    .replace(/\^|\*\*/g, "")
    .replace(/[µμ]/g, "u")
    .replace(/\s*[·⋅*×]\s*/g, ".")
    .replace(/\s*\/\s*/g, "/");
  return text
    .split(/([./])/)
    .map((part) => (part === "." || part === "/" ? part : partCode(part)))
    .join("");
}

function partCode(part: string): string {
  const known = codes.get(part);
  if (known !== undefined) return known;
  const match = power.exec(part);
  if (!match) return part;
  const [, prefix = "", symbol = "", hours = ""] = match;
  // UCUM has no symbol of its own for reactive power.
  const code = symbol === "VA" || symbol.toLowerCase() === "var" ? `${prefix}V.A` : `${prefix}${symbol}`;
  return hours === "" ? code : `${code}.h`;
}

/**
 * Active, reactive and apparent power have one dimension, and still nobody can turn one into the other.
 */
export function powerKind(unit: string): "active" | "reactive" | "apparent" {
  const [head = ""] = unit.trim().split(/[./·*]/);
  if (/^[kMG]?var/i.test(head)) return "reactive";
  return /^[kMG]?VA/.test(head) || /^[kMG]?V\s*[.·*]\s*A/.test(unit.trim()) ? "apparent" : "active";
}
