import { type ColumnDefinitionBuilder, type Expression, type RawBuilder, sql } from "kysely";

/**
 * The column types that differ between the engines, by one portable name, and the one codec for what neither
 * engine has in common. Instants are `integer` columns (milliseconds or microseconds UTC).
 */
export interface ColumnTypes {
  /** 64-bit integer; read as a JS number. */
  readonly integer: Expression<unknown>;
  /** float64. */
  readonly double: Expression<unknown>;
  /** Bytes. */
  readonly blob: Expression<unknown>;
  readonly text: Expression<unknown>;
  /** 0 or 1: see `bit`. */
  readonly boolean: Expression<unknown>;
  /** JSON text: see `jsonText`. */
  readonly json: Expression<unknown>;
  /** Makes an integer column the primary key that draws its own, never reused, numbers. */
  readonly generatedKey: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;
  /** Ends a `create table` whose rows are to lie in the order of the primary key, where the engine can do that. */
  readonly clustered: RawBuilder<unknown>;
  /** What keeps the engine from compressing bytes that are compressed already; null where it never does. */
  readonly incompressible: (table: string, column: string) => RawBuilder<unknown> | null;
}

const type = (name: string): RawBuilder<unknown> => sql.raw(name);

export const sqliteTypes: ColumnTypes = {
  integer: type("integer"),
  double: type("real"),
  blob: type("blob"),
  text: type("text"),
  boolean: type("integer"),
  json: type("text"),
  generatedKey: (column) => column.primaryKey().autoIncrement(),
  clustered: sql.raw("without rowid"),
  incompressible: () => null,
};

export const postgresTypes: ColumnTypes = {
  integer: type("bigint"),
  double: type("double precision"),
  blob: type("bytea"),
  text: type("text"),
  boolean: type("smallint"),
  json: type("text"),
  generatedKey: (column) => column.primaryKey().generatedByDefaultAsIdentity(),
  clustered: sql.raw(""),
  incompressible: (table, column) =>
    sql`alter table ${sql.table(table)} alter column ${sql.ref(column)} set storage external`,
};

/** A boolean as both engines store it. */
export type Bit = 0 | 1;
export const bit = (value: boolean): Bit => (value ? 1 : 0);
export const fromBit = (value: number): boolean => value !== 0;

/** JSON as both engines store it: text. */
export const jsonText = (value: unknown): string => JSON.stringify(value ?? null);
export const fromJsonText = (text: string): unknown => JSON.parse(text);
