import type { FastifyContextConfig, RouteOptions } from "fastify";
import findMyWay from "find-my-way";
import type { Action } from "../identity/principal.ts";
import { type Access, publicAccess, right, type SurfaceName } from "./surface.ts";

/** What is known about a path whose method has no route. */
export interface KnownPath {
  readonly surface: SurfaceName;
  /** Value of the Allow header. */
  readonly allow: string;
  readonly methods: ReadonlySet<string>;
  /** What the caller needs before it may learn that the method does not exist. */
  accessFor(method: string): Access;
}

export const routerOptions = {
  ignoreTrailingSlash: true,
  ignoreDuplicateSlashes: false,
  caseSensitive: true,
  maxParamLength: 1024,
} as const;

const actions: Readonly<Record<string, Action>> = {
  GET: "view",
  HEAD: "view",
  POST: "add",
  PUT: "change",
  PATCH: "change",
  DELETE: "delete",
};

/**
 * Fastify's router forgets which methods a path has; this second one, asked only when the first found
 * nothing, knows.
 */
export class Paths {
  readonly #router = findMyWay({ ...routerOptions, defaultRoute: () => undefined });
  readonly #byPattern = new Map<string, PathEntry>();

  add(route: RouteOptions): void {
    const pattern = route.url;
    const key = pattern.length > 1 && pattern.endsWith("/") ? pattern.slice(0, -1) : pattern;
    const entry = this.#byPattern.get(key) ?? this.#register(key, pattern);
    for (const method of [route.method].flat()) entry.add(method.toUpperCase(), route.config ?? {});
  }

  #register(key: string, pattern: string): PathEntry {
    const entry = new PathEntry();
    this.#byPattern.set(key, entry);
    this.#router.on("GET", pattern, () => undefined, entry);
    return entry;
  }

  /** `url` may carry a query. */
  find(url: string): KnownPath | undefined {
    const end = url.search(/[?#;]/);
    const match = this.#router.find("GET", end < 0 ? url : url.slice(0, end));
    return match?.store instanceof PathEntry ? match.store : undefined;
  }
}

class PathEntry implements KnownPath {
  readonly methods = new Set<string>(["OPTIONS"]);
  readonly #accesses: Access[] = [];
  surface: SurfaceName = "kernel";

  add(method: string, config: FastifyContextConfig): void {
    this.methods.add(method);
    if (method === "GET") this.methods.add("HEAD");
    if (config.surface) this.surface = config.surface;
    if (config.access) this.#accesses.push(config.access);
  }

  get allow(): string {
    return [...this.methods].sort().join(", ");
  }

  accessFor(method: string): Access {
    if (this.#accesses.some((access) => access.kind === "public")) return publicAccess;
    const action = actions[method];
    for (const access of this.#accesses) {
      if (access.kind === "right" && action) return right(action, access.resource, access.object);
    }
    return this.#accesses[0] ?? publicAccess;
  }
}
