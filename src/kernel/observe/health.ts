/** One thing the server depends on. `warn` is worth an operator's look; `fail` means it cannot do its work. */
export interface HealthCheck {
  readonly status: "ok" | "warn" | "fail";
  readonly detail?: string;
}

export interface HealthReport {
  readonly status: "ok" | "warn" | "fail";
  readonly checks: Readonly<Record<string, HealthCheck>>;
}

/** Parts of the server register what they know about their own health. */
export class Health {
  readonly #checks = new Map<string, () => HealthCheck | Promise<HealthCheck>>();
  #draining = false;

  register(name: string, check: () => HealthCheck | Promise<HealthCheck>): void {
    this.#checks.set(name, check);
  }

  /** From now on `/readyz` answers 503, so that a load balancer sends nothing new. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  async report(): Promise<HealthReport> {
    const entries = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await guarded(check)] as const),
    );
    const worst = entries.some(([, check]) => check.status === "fail")
      ? "fail"
      : entries.some(([, check]) => check.status === "warn")
        ? "warn"
        : "ok";
    return { status: worst, checks: Object.fromEntries(entries) };
  }
}

async function guarded(check: () => HealthCheck | Promise<HealthCheck>): Promise<HealthCheck> {
  try {
    return await check();
  } catch (error) {
    return { status: "fail", detail: error instanceof Error ? error.message : String(error) };
  }
}
