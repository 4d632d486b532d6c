import type { Actor } from "../changes/changes.ts";
import { fromBit } from "../database/columns.ts";
import type { Queryable } from "../database/engine.ts";
import { notFound, Problem } from "../errors.ts";
import { type Catalogue, firstMissing, nameOf } from "./permissions.ts";
import { type Action, type Grant, may, type Principal } from "./principal.ts";
import { grantsOf } from "./principals.ts";
import type { PrincipalRow } from "./tables.ts";

/** Who wants something, and what the change log says about that. */
export interface Caller {
  readonly principal: Principal;
  readonly actor: Actor;
}

/**
 * Nobody gains rights by way of managing others: one can hand on only what one has, and only a superuser makes or
 * edits superusers. Each of these throws Problem `forbidden` unless said otherwise.
 */
export const forbidden = (reason = ""): Problem =>
  new Problem("forbidden", {
    detail: `You do not have permission to perform this action.${reason === "" ? "" : ` ${reason}`}`,
  });

/** @throws Problem `not-found` where the caller may not even see the object */
export function requireRight(caller: Principal, action: Action, resource: string, id: number): void {
  if (may(caller, action, resource, String(id))) return;
  if (may(caller, "view", resource, String(id))) throw forbidden(`It needs the right ${action}_${resource}.`);
  throw notFound(resource, id);
}

export function requireMayEdit(caller: Principal, target: PrincipalRow): void {
  if (fromBit(target.is_superuser) && !caller.isSuperuser)
    throw forbidden("Only a superuser may change a superuser.");
}

export function requireHolds(caller: Principal, grants: readonly Grant[]): void {
  const missing = firstMissing(caller, grants);
  if (missing) throw forbidden(`You cannot give ${nameOf(missing)}, which you do not have yourself.`);
}

/** For what gives the caller the use of the other's account. */
export async function requireCovers(
  db: Queryable,
  caller: Principal,
  target: PrincipalRow,
  catalogue: Catalogue,
): Promise<void> {
  requireMayEdit(caller, target);
  const missing = firstMissing(caller, await grantsOf(db, target, catalogue));
  if (missing) throw forbidden(`That account has ${nameOf(missing)}, which you do not have yourself.`);
}

/** Whether the caller acts on its own account, by a credential that may manage it. */
export const isOwn = (caller: Principal, principalId: number): boolean =>
  caller.id === principalId && caller.scoped !== true;
