import { nearest } from "../config/nearest.ts";
import { Problem } from "../errors.ts";
import { type Action, type Grant, may, type Principal } from "./principal.ts";

export const actions: readonly Action[] = ["view", "add", "change", "delete"];

/** Named sets of grants, each with all of the one before. */
export const roles = ["viewer", "operator", "manager", "admin"] as const;
export type Role = (typeof roles)[number];

/** What decides who may do what: only an admin holds rights on it. */
const identityResources: ReadonlySet<string> = new Set(["user", "group", "token", "change"]);

const kernelResources = ["user", "group", "token", "change", "metric", "mqtt"];

/** Resource types on which not every action has a meaning. */
const actionsOf: Readonly<Record<string, readonly Action[]>> = {
  change: ["view"],
  metric: ["view"],
  mqtt: ["view", "change"],
  token: ["view", "add", "delete"],
  stream: ["view", "change"],
  retention: ["view", "change"],
  command: ["view"],
  datapointguard: ["view", "change", "delete"],
};

/**
 * All rights there are, and the names people write: `view_datapoint` for all objects of the type, `view_datapoint:12`
 * for the one with the id 12.
 */
export class Catalogue {
  /** In the order declared. */
  readonly names: readonly string[];
  readonly #grants: ReadonlyMap<string, Grant>;
  readonly #roles: ReadonlyMap<Role, readonly Grant[]>;

  constructor(resources: readonly string[]) {
    const all = [...new Set([...kernelResources, ...resources])].flatMap((resource) =>
      (actionsOf[resource] ?? actions).map((action): Grant => ({ action, resource, object: "*" })),
    );
    this.#grants = new Map(all.map((grant) => [nameOf(grant), grant]));
    this.names = [...this.#grants.keys()];
    this.#roles = new Map(roles.map((role) => [role, all.filter((grant) => isIn(role, grant))]));
  }

  grantsOf(role: Role): readonly Grant[] {
    return this.#roles.get(role) ?? [];
  }

  /**
   * @param field the request's member that holds the names, for the error
   * @throws Problem `invalid-request` naming the first unknown one and the most similar that exists
   */
  parse(names: readonly string[], field: string): readonly Grant[] {
    return [...new Set(names)].map((name) => this.#parseOne(name, names.indexOf(name), field));
  }

  /** The grants of names stored earlier; what no longer exists counts for nothing. */
  known(names: readonly string[]): readonly Grant[] {
    return names.flatMap((text) => {
      const [name = "", ...object] = text.split(":");
      const grant = this.#grants.get(name);
      return grant ? [object.length === 0 ? grant : { ...grant, object: object.join(":") }] : [];
    });
  }

  #parseOne(text: string, index: number, field: string): Grant {
    const at = text.indexOf(":");
    const name = at < 0 ? text : text.slice(0, at);
    const object = at < 0 ? "*" : text.slice(at + 1);
    const grant = this.#grants.get(name);
    if (grant && isObjectId(object)) return { ...grant, object };
    const shown = JSON.stringify(text.slice(0, 100));
    const similar = nearest(name.slice(0, 100), this.names);
    const rule = grant
      ? `${shown} lacks a proper object's id after the colon.`
      : `${shown} is no permission.${similar === undefined ? "" : ` Did you mean ${similar}?`}`;
    throw new Problem("invalid-request", {
      detail: `${field}: ${rule}`,
      errors: [{ pointer: `/${field}/${index}`, detail: rule }],
      fields: { [field]: [rule] },
    });
  }
}

const isObjectId = (text: string): boolean => /^[^\p{Cc}\p{Cs}]{1,500}$/u.test(text);

function isIn(role: Role, { action, resource }: Grant): boolean {
  if (role === "admin") return true;
  if (identityResources.has(resource)) return false;
  if (role === "viewer") return action === "view" && resource !== "metric" && resource !== "mqtt";
  if (role === "manager") return true;
  // A rule of retention deletes points on all streams; who works within guard rails does not move them.
  const isSetByManagers = resource === "retention" || resource === "datapointguard";
  return action === "view" || (action !== "delete" && !isSetByManagers);
}

export const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text);

export const nameOf = ({ action, resource, object }: Grant): string =>
  object === "*" ? `${action}_${resource}` : `${action}_${resource}:${object}`;

/** Whether `held` allows everything `grant` does. */
const includes = (held: Grant, grant: Grant): boolean =>
  held.action === grant.action &&
  held.resource === grant.resource &&
  (held.object === "*" || held.object === grant.object);

/** What both allow: a credential's scopes cut its owner's rights, and never add to them. */
export function intersect(rights: readonly Grant[], scopes: readonly Grant[]): readonly Grant[] {
  const both = new Map<string, Grant>();
  for (const right of rights) {
    for (const scope of scopes) {
      const narrower = includes(right, scope) ? scope : includes(scope, right) ? right : undefined;
      if (narrower) both.set(nameOf(narrower), narrower);
    }
  }
  return [...both.values()];
}

/** The first of the grants that the principal does not have; undefined when it has all. */
export const firstMissing = (principal: Principal, grants: readonly Grant[]): Grant | undefined =>
  grants.find(({ action, resource, object }) => !may(principal, action, resource, object));
