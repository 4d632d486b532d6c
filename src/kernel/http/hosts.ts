import { isIP } from "node:net";
import { hostname } from "node:os";
import { Problem } from "../errors.ts";

/** Enough for every name a server is really called by; a flood of others starts over. */
const maxRemembered = 1000;

/**
 * Decides which Host headers the server answers to, against DNS rebinding: none at all, IP literals,
 * localhost, the machine's own name and the configured ones (`*` any, `.example.org` the domain and all below
 * it).
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #domains: readonly string[];
  readonly #any: boolean;
  readonly #decided = new Map<string, boolean>();

  constructor(allowedHosts: readonly string[], ownName = hostname()) {
    const own = ownName.toLowerCase();
    this.#any = allowedHosts.includes("*");
    this.#names = new Set(["localhost", own, own.split(".")[0] ?? own, ...allowedHosts]);
    this.#domains = allowedHosts.filter((name) => name.startsWith("."));
  }

  /** @throws Problem `unknown-host` */
  check(host: string): void {
    if (this.#any || host === "") return;
    const known = this.#decided.get(host) ?? this.#remember(host);
    if (known) return;
    const shown = JSON.stringify(host.slice(0, 100));
    throw new Problem("unknown-host", {
      detail: `This server does not answer to the host name ${shown}; add it to DJANGO_ALLOWED_HOSTS.`,
    });
  }

  #remember(host: string): boolean {
    const known = this.#isKnown(hostNameOf(host));
    if (this.#decided.size >= maxRemembered) this.#decided.clear();
    this.#decided.set(host, known);
    return known;
  }

  #isKnown(name: string | undefined): boolean {
    if (name === undefined) return false;
    if (isIP(name) !== 0 || this.#names.has(name) || name.endsWith(".localhost")) return true;
    return this.#domains.some((domain) => name === domain.slice(1) || name.endsWith(domain));
  }
}

/**
 * The name in a Host header without port, brackets and final dot, in lower case; undefined when it is none.
 */
export function hostNameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, "");
}
