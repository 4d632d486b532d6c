import type { Queryable, Tx } from "../database/engine.ts";

/** Who did it, and from where. */
export interface Actor {
  /** Null for the server itself and for devices on the broker. */
  readonly principalId: number | null;
  readonly name: string;
  readonly via: string;
  readonly address: string | null;
  readonly requestId: string | null;
}

export interface Change {
  readonly actor: Actor;
  readonly action: "create" | "update" | "delete";
  readonly resource: string;
  readonly object: string;
  /** The object before and after, as JSON values without secrets; null when it did not or does not exist. */
  readonly before: unknown;
  readonly after: unknown;
  readonly reason?: string;
}

export interface RecordedChange extends Change {
  readonly id: number;
  /** Milliseconds UTC. */
  readonly time: number;
}

export interface ChangeFilter {
  readonly resource?: string;
  readonly object?: string;
  readonly principalId?: number;
  readonly limit: number;
  /** Only changes with a smaller id. */
  readonly before?: number;
}

/** Audit, revisions and undo come from one table, written in the transaction of the write it tells about. */
export interface ChangeLog extends AsyncDisposable {
  record(tx: Tx, changes: readonly Change[]): Promise<void>;
  /** Newest first. */
  list(db: Queryable, filter: ChangeFilter): Promise<readonly RecordedChange[]>;
  /** Runs after each commit, on every node that shares the database, once per change; returns how to stop. Errors in it are logged. */
  subscribe(listener: (change: RecordedChange) => void): () => void;
}
