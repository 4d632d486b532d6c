import type { Action } from "../identity/principal.ts";

/**
 * The surfaces: groups of routes that one existing system documents, with what differs between them in one
 * table.
 */
export type SurfaceName = "kernel" | "datapoints" | "series" | "production" | "registry" | "pipelines";

export interface Surface {
  /**
   * The answer to a request without credentials on a route that needs some. 401 carries the Basic challenge.
   */
  readonly anonymous: 401 | 403;
  /** The answer for another owner's object. */
  readonly foreign: 403 | 404;
  /**
   * `configured`: BUSBAR_CORS_ORIGINS with credentials; `any-get`: `*` on GET; `any`: `*`. Without
   * credentials the latter two.
   */
  readonly cors: "configured" | "any-get" | "any";
  /** Problem bodies repeat `detail` as `message`, which this system's clients read. */
  readonly message: boolean;
}

export const surfaces: Readonly<Record<SurfaceName, Surface>> = {
  kernel: { anonymous: 401, foreign: 404, cors: "configured", message: false },
  datapoints: { anonymous: 401, foreign: 404, cors: "configured", message: false },
  series: { anonymous: 403, foreign: 403, cors: "any-get", message: true },
  production: { anonymous: 401, foreign: 404, cors: "configured", message: true },
  registry: { anonymous: 401, foreign: 404, cors: "configured", message: false },
  pipelines: { anonymous: 403, foreign: 404, cors: "any", message: false },
};

/**
 * What a route asks of its caller. Every route states it; the auth hook enforces it before validation and
 * handler.
 */
export type Access =
  | { readonly kind: "public" }
  /** Any signed-in principal. */
  | { readonly kind: "signed-in" }
  /** A grant on the resource type; `object` names the path parameter that holds the object's id. */
  | {
      readonly kind: "right";
      readonly action: Action;
      readonly resource: string;
      readonly object?: string;
      /** Calls from this machine itself (no proxy in between) need no credentials. */
      readonly loopback?: boolean;
    }
  | { readonly kind: "superuser" };

export const publicAccess: Access = { kind: "public" };
export const signedIn: Access = { kind: "signed-in" };
export const superuser: Access = { kind: "superuser" };
export const right = (action: Action, resource: string, object?: string): Access => ({
  kind: "right",
  action,
  resource,
  ...(object === undefined ? {} : { object }),
});
