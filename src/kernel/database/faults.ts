import { Problem } from "../errors.ts";

/** An error of the SQLite library as it comes out of the writer thread. */
export class SqliteError extends Error {
  override readonly name = "SqliteError";
  /** SQLite's extended result code. */
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

const sqliteFull = 13;
const sqliteUnique = new Set([2067, 1555]);
const sqliteForeignKey = 787;
// IOERR, READONLY, CANTOPEN, CORRUPT, NOTADB, BUSY, PROTOCOL
const sqliteGone = new Set([10, 8, 14, 11, 26, 5, 15]);
const postgresGone = /^(08|57P0|53300|58)/;
const socketGone = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EHOSTUNREACH"]);

const codeOf = (error: unknown): string => {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : "";
};

const errcodeOf = (error: unknown): number => {
  const code: unknown = error instanceof Error ? Reflect.get(error, "errcode") : undefined;
  return typeof code === "number" ? code : 0;
};

/** Whether a unique constraint or primary key refused the write. */
export const isUniqueViolation = (error: unknown): boolean =>
  sqliteUnique.has(errcodeOf(error)) || codeOf(error) === "23505";

/** Whether a foreign key refused the write. */
export const isForeignKeyViolation = (error: unknown): boolean =>
  errcodeOf(error) === sqliteForeignKey || codeOf(error) === "23503";

/** Whether running the same transaction again may succeed (deadlock, serialisation). */
export const isRetryable = (error: unknown): boolean => ["40P01", "40001"].includes(codeOf(error));

/** What PostgreSQL refuses though a schema let it through: text with U+0000, a number beyond its column. */
const postgresRefused: Readonly<Record<string, string>> = {
  "22021": "A text holds the character U+0000, which cannot be stored.",
  "22P05": "A text holds a character which cannot be stored.",
  "22003": "A number is beyond what can be stored.",
};

/** An engine's fault that callers can act on, as a problem; anything else unchanged. */
export function asProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const errcode = errcodeOf(error) & 0xff;
  const code = codeOf(error);
  if (errcode === sqliteFull || code === "53100" || code === "ENOSPC")
    return new Problem("disk-full", {
      detail: "The disk of the database is full; nothing was written.",
      cause: error,
    });
  const refused = postgresRefused[code];
  if (refused) return new Problem("invalid-request", { detail: refused, cause: error });
  const text = error instanceof Error ? error.message : "";
  const gone =
    sqliteGone.has(errcode) ||
    postgresGone.test(code) ||
    socketGone.has(code) ||
    text.startsWith("Connection terminated") ||
    text.includes("timeout exceeded when trying to connect") ||
    text.startsWith("Client has encountered a connection error");
  if (!gone) return error;
  return new Problem("store-unavailable", {
    detail: "The database does not answer; nothing was written.",
    headers: { "retry-after": "2" },
    cause: error,
  });
}
