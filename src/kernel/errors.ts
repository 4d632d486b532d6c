/**
 * The one error that crosses a layer on purpose. It becomes an RFC 9457 problem body at the HTTP edge,
 * an exit message at the CLI, and a counted, logged refusal on MQTT.
 */

/** Where in a request body a rule was broken (RFC 6901 pointer) and which rule. */
export interface Violation {
  readonly pointer: string;
  readonly detail: string;
}

/** Texts per field name, the shape existing clients read; `non_field_errors` holds what belongs to no field. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

/** The same for fields that hold objects, or lists of them: per list one entry for each item, `{}` for a good one. */
export type NestedErrors = { readonly [field: string]: FieldFault };
export type FieldFault = readonly string[] | readonly NestedErrors[] | NestedErrors;

export interface ProblemOptions {
  readonly detail?: string;
  readonly errors?: readonly Violation[];
  readonly fields?: NestedErrors;
  /** For array bodies: one entry per input item, `{}` for a good one. */
  readonly items?: readonly NestedErrors[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Every problem type the product can answer with: its stable code, HTTP status and title. See docs/errors.md. */
export const problemTypes = {
  "invalid-request": { status: 400, title: "The request breaks a rule" },
  expired: { status: 400, title: "The time lies before what the stream keeps" },
  "invalid-json": { status: 400, title: "The body is not valid JSON" },
  "unknown-host": { status: 400, title: "This server does not answer to that host name" },
  unauthenticated: { status: 401, title: "Credentials are missing or wrong" },
  forbidden: { status: 403, title: "The right for this is missing" },
  "csrf-failed": { status: 403, title: "The CSRF token is missing or wrong" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "The method is not allowed here" },
  "not-acceptable": { status: 406, title: "None of the accepted media types can be produced" },
  "too-slow": { status: 408, title: "The client takes too long" },
  conflict: { status: 409, title: "The request conflicts with what is stored" },
  "guard-rail": { status: 409, title: "A guard rail is in the way" },
  "precondition-failed": { status: 412, title: "The object has changed" },
  "too-large": { status: 413, title: "The request is too large" },
  "unsupported-media-type": { status: 415, title: "The media type is not supported" },
  "idempotency-mismatch": { status: 422, title: "The Idempotency-Key was used for another request" },
  "upgrade-required": { status: 426, title: "This path is for WebSockets" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Internal error" },
  "broker-unavailable": { status: 503, title: "The MQTT broker cannot be reached" },
  "store-busy": { status: 503, title: "The store cannot take more at the moment" },
  "store-unavailable": { status: 503, title: "The database cannot be reached" },
  "shutting-down": { status: 503, title: "The server is shutting down" },
  "disk-full": { status: 507, title: "The disk is full" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemTypes;

export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  readonly errors: readonly Violation[] | undefined;
  readonly fields: NestedErrors | undefined;
  readonly items: readonly NestedErrors[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(
      options.detail ?? problemTypes[code].title,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.code = code;
    this.status = problemTypes[code].status;
    this.title = problemTypes[code].title;
    this.errors = options.errors;
    this.fields = options.fields;
    this.items = options.items;
    this.headers = options.headers ?? {};
  }
}

/** A 404 that names what was looked for. */
export const notFound = (what: string, id: string | number): Problem =>
  new Problem("not-found", { detail: `There is no ${what} ${id}.` });

/** A 400 for one field. `rule` is a full sentence that names the value and the rule. */
export const invalidField = (field: string, rule: string): Problem =>
  new Problem("invalid-request", {
    detail: `${field}: ${rule}`,
    errors: [{ pointer: `/${field}`, detail: rule }],
    fields: { [field]: [rule] },
  });

/** A start-up or command-line fault the operator can mend: printed as one line, without a stack. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
}

/** The text of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
