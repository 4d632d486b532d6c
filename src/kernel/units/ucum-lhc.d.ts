/** The part of the library that is used here; it brings no types. */
declare module "@lhncbc/ucum-lhc" {
  interface Conversion {
    readonly status: "succeeded" | "failed" | "error";
    readonly toVal: number | null;
  }
  interface Validation {
    readonly status: "valid" | "invalid" | "error";
    readonly ucumCode: string | null;
  }
  interface Units {
    convertUnitTo(from: string, value: number, to: string): Conversion;
    validateUnitString(code: string): Validation;
  }
  export const UcumLhcUtils: { getInstance(): Units };
}
