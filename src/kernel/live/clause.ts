import type { Described } from "./topic.ts";

/** What is asked for: all conditions must hold, of each list one entry. Without any: everything one may see. */
export interface Clause {
  readonly streams?: readonly number[];
  readonly kinds?: readonly string[];
  /** By the name of a topic's member. */
  readonly members: Readonly<Record<string, readonly (string | number)[]>>;
}

export function matches(clause: Clause, { stream, topic }: Described): boolean {
  if (clause.streams && !clause.streams.includes(stream.id)) return false;
  if (clause.kinds && !clause.kinds.includes(topic.kind)) return false;
  for (const name in clause.members) {
    const value = topic.members[name];
    if (value === undefined || !clause.members[name]?.includes(value)) return false;
  }
  return true;
}

/** The same for clauses that ask for the same. */
export function clauseKey({ streams, kinds, members }: Clause): string {
  const lists = Object.entries(members).map(([name, values]) => [name, sorted(values)] as const);
  lists.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([streams ? sorted(streams) : null, kinds ? sorted(kinds) : null, lists]);
}

const sorted = (values: readonly (string | number)[]): readonly (string | number)[] =>
  [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
