import { OperatorError, Problem } from "./kernel/errors.ts";

/** Runs the command line; the only file that touches the process. */
async function main(): Promise<number> {
  // Imported after the check of the version, since the rest does not even load on an older Node.
  const { run } = await import("./cli/run.ts");
  return run(process.argv.slice(2), {
    env: process.env,
    folder: process.cwd(),
    stdin: process.stdin,
    out: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${line}\n`),
    status: process.stderr.isTTY ? status : undefined,
    stopRequested,
  });
}

/** Rewrites the terminal's last line; cut, since a line that wraps cannot be taken back. */
function status(line: string): void {
  process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

/** A terminal's Ctrl-C under npm arrives twice within moments; that is one request, not an impatient second one. */
const sameRequestMs = 500;

function stopRequested(): Promise<NodeJS.Signals> {
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let askedAt: number | undefined;
  for (const signal of signals)
    process.on(signal, () => {
      if (askedAt !== undefined && performance.now() - askedAt > sameRequestMs) process.exit(1);
      askedAt ??= performance.now();
      resolve(signal);
    });
  return promise;
}

/** A reader that closes early (`busbar config print | head -1`) is no fault. */
process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));

const wanted = 26;
const major = Number(process.versions.node.split(".")[0]);
if (major !== wanted) {
  process.stderr.write(
    `Busbar needs Node.js ${wanted} and was started with ${process.versions.node}: use bin/busbar or npm start.\n`,
  );
  process.exit(2);
}

try {
  process.exit(await main());
} catch (error) {
  const expected = error instanceof OperatorError || error instanceof Problem;
  process.stderr.write(`${expected ? error.message : describe(error)}\n`);
  process.exit(expected ? 2 : 1);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
