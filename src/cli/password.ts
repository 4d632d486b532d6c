import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf, OperatorError } from "../kernel/errors.ts";
import { askHidden, type Io, readAll } from "./io.ts";

/** The new password: from the file, else typed twice on the terminal, else all of standard input. */
export async function readPassword(name: string, file: string | undefined, io: Io): Promise<string> {
  const password = file === undefined ? await typedOrPiped(name, io) : fromFile(resolve(io.folder, file));
  if (password === "") throw new OperatorError("The password is empty; nothing was changed.");
  return password;
}

async function typedOrPiped(name: string, io: Io): Promise<string> {
  if (!io.stdin.isTTY) return readAll(io.stdin);
  const [first = "", second] = await askHidden([`Password for ${name}: `, "Once more: "], io.stdin);
  if (first !== second) throw new OperatorError("The two passwords differ; nothing was changed.");
  return first;
}

function fromFile(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new OperatorError(`--password-file: ${messageOf(error)}`);
  }
}
