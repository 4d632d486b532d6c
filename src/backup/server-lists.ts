import { messageOf } from "../kernel/errors.ts";
import { type Kind, kinds } from "./files.ts";
import { CannotBegin, exitCodes } from "./run.ts";
import { Refused, type Target, Unreachable } from "./target.ts";

/** What a server of ours has and the existing system does not, by the name of its list. */
export const extraLists = {
  connectors: "/connector/",
  datapoints: "/datapoint/?is_active=all&detail=full",
} as const;

/** @throws CannotBegin unless the start page answers 200 */
export async function checkTarget(target: Target, url: string): Promise<void> {
  const status = await target.status("/").catch((error: unknown) => {
    throw new CannotBegin(exitCodes.target, messageOf(error), { cause: error });
  });
  if (status !== 200)
    throw new CannotBegin(exitCodes.target, `GET ${url}/ answered ${status} in place of 200.`);
}

/** The list, or undefined where the server has none. @throws CannotBegin without the right to read it */
export async function findList<T>(target: Target, path: string): Promise<readonly T[] | undefined> {
  const { status, body } = await first(target, path);
  if (status === 404 || (status === 200 && !Array.isArray(body))) return undefined;
  if (status === 200) return body as readonly T[];
  throw refusal(path, status);
}

/** The list of a path that every server has. */
export async function getList<T>(target: Target, path: string): Promise<readonly T[]> {
  const list = await findList<T>(target, path);
  if (list) return list;
  throw new CannotBegin(exitCodes.target, `GET ${path} is not answered with a list; is the URL right?`);
}

/** The kinds of messages whose history this server gives out; `datapoint` is any that exists. */
export async function offeredKinds(target: Target, datapoint: number): Promise<readonly Kind[]> {
  const offered: Kind[] = [];
  for (const kind of kinds) {
    const path = `/datapoint/${datapoint}/${kind}/?timestamp__gte=0&timestamp__lt=1`;
    if (await findList(target, path)) offered.push(kind);
  }
  return offered;
}

async function first(target: Target, path: string) {
  try {
    return await target.json("GET", path);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    throw new CannotBegin(exitCodes.target, error.message, { cause: error });
  }
}

const refusal = (path: string, status: number): Error => {
  const error = new Refused(`GET ${path}`, status, "");
  if (status === 401)
    return new CannotBegin(exitCodes.refused, "The server does not accept these credentials (401).");
  if (status === 403)
    return new CannotBegin(exitCodes.refused, `The right to read ${path} is missing (403).`);
  return new CannotBegin(exitCodes.incomplete, error.message, { cause: error });
};
