import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../errors.ts";
import type { BatchResult, SqlValue, Statement } from "./engine.ts";
import { openSqliteFile } from "./sqlite-file.ts";

/**
 * The writing connection of SQLite. It lives in a thread of its own, since a commit waits for the disk
 * (0.2 ms and more) and a checkpoint up to 20 ms.
 */
export interface WriterRequest {
  readonly id: number;
  /** One statement: run alone, inside the transaction that is open. More: one transaction of their own. */
  readonly statements: readonly Statement[];
  readonly transaction: boolean;
  /** In place of statements: run outside a transaction, each to its end, without results. */
  readonly script?: string;
}

export type WriterReply =
  | { readonly id: number; readonly results: readonly BatchResult[] }
  | { readonly id: number; readonly error: { readonly message: string; readonly errcode: number } };

/** The first message: why the file cannot be used, or null. */
export interface WriterOpened {
  readonly fault: string | null;
}

const port = parentPort;
if (!port) throw new Error("This file runs as a worker thread.");

const { file } = workerData as { file: string };
const database = open();
const prepared = new Map<string, { statement: StatementSync; reads: boolean }>();
const keptStatements = 500;

function open(): DatabaseSync {
  try {
    return openSqliteFile(file);
  } catch (error) {
    port?.postMessage({ fault: messageOf(error) } satisfies WriterOpened);
    process.exit();
  }
}

function prepare(sql: string): { statement: StatementSync; reads: boolean } {
  const known = prepared.get(sql);
  if (known) return known;
  const statement = database.prepare(sql);
  const entry = { statement, reads: statement.columns().length > 0 };
  if (prepared.size >= keptStatements) prepared.clear();
  prepared.set(sql, entry);
  return entry;
}

function run({ sql, params }: Statement): BatchResult {
  const { statement, reads } = prepare(sql);
  const values = params as SqlValue[];
  if (reads) return { rows: statement.all(...values), changes: 0 };
  return { rows: [], changes: Number(statement.run(...values).changes) };
}

function execute(request: WriterRequest): readonly BatchResult[] {
  if (request.script !== undefined) {
    database.exec(request.script);
    return [];
  }
  if (!request.transaction) return request.statements.map(run);
  database.exec("begin immediate");
  try {
    const results = request.statements.map(run);
    database.exec("commit");
    return results;
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}

port.on("message", (request: WriterRequest | "close") => {
  if (request === "close") {
    database.close();
    port.close();
    return;
  }
  port.postMessage(answer(request));
});

function answer(request: WriterRequest): WriterReply {
  try {
    const results = execute(request);
    for (const { params } of request.statements) for (const param of params) release(param);
    return { id: request.id, results };
  } catch (error) {
    const errcode: unknown = error instanceof Error ? Reflect.get(error, "errcode") : undefined;
    return {
      id: request.id,
      error: { message: messageOf(error), errcode: typeof errcode === "number" ? errcode : 0 },
    };
  }
}

/**
 * Blobs that were sent here are done with: the collector would let 64 MB of them pile up. Several small ones may be
 * pieces of one buffer.
 */
function release(param: SqlValue): void {
  if (!(param instanceof Uint8Array)) return;
  const { buffer } = param;
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}

port.postMessage({ fault: null } satisfies WriterOpened);
