/**
 * How often a property is tried. In an ordinary run `ordinary` times; in a proof of N random histories
 * (`BUSBAR_PROOF_RUNS`) its share of N: those on SQLite add up to 1, each on PostgreSQL has a two-hundredth, since
 * every history there takes a database of its own.
 */
export const proofRuns = (ordinary: number, share: number): number =>
  wanted > 0 ? Math.ceil(wanted * share) : ordinary;

export const onPostgres = 1 / 200;

const wanted = Number(process.env["BUSBAR_PROOF_RUNS"] ?? 0);

/** Kills of a crash test; a proof says how many. */
export const proofKills = (ordinary: number): number =>
  Number(process.env["BUSBAR_PROOF_KILLS"] ?? 0) || ordinary;

/** A proof takes the time it takes. */
export const proofTimeout = (ordinary: number): number => (wanted > 0 || proofKills(0) > 0 ? 0 : ordinary);
