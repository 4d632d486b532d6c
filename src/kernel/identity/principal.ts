/**
 * Who acts. Any credential, on any surface, ends in one of these.
 */
export type Action = "view" | "add" | "change" | "delete";

/** A right: an action on a resource type, on one object or on all (`*`). Written `view_datapoint` in lists of permissions. */
export interface Grant {
  readonly action: Action;
  readonly resource: string;
  /** `*` or the object's id as text. */
  readonly object: string;
}

export interface Principal {
  readonly id: number;
  readonly kind: "user" | "key" | "entry";
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly isStaff: boolean;
  /** How the principal proved who it is; `session` is the one which needs the CSRF token. */
  readonly via: "basic" | "token" | "derived" | "session" | "local";
  /** Own and group grants; a token's scopes have been intersected already. */
  readonly grants: readonly Grant[];
  /** True for a token with scopes: it may less than its owner, and manages neither its owner's account nor tokens. */
  readonly scoped?: boolean;
  /** What the principal belongs to; objects of others are out of its sight where a feature says so. */
  readonly organisation?: string | null;
}

/** Whether the principal may do it to the object (or, without `object`, to objects of that type in general). */
export function may(principal: Principal, action: Action, resource: string, object = "*"): boolean {
  if (principal.isSuperuser) return true;
  return principal.grants.some(
    (grant) =>
      (grant.action === action || (grant.action as string) === "*") &&
      (grant.resource === resource || grant.resource === "*") &&
      (grant.object === "*" || grant.object === object),
  );
}
