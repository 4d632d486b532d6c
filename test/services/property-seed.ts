import fc from "fast-check";

/**
 * Property tests draw the same cases in each ordinary run, so that a run says something of the change and not of the
 * draw; `BUSBAR_PROPERTY_SEED=random` (as `make proof` sets it) draws new ones, and a number repeats a failure.
 */
const given = process.env["BUSBAR_PROPERTY_SEED"] ?? "20260101";
if (given !== "random") fc.configureGlobal({ seed: Number(given) });
