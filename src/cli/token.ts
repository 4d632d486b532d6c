import { serverActor } from "../kernel/changes/actor.ts";
import { OperatorError } from "../kernel/errors.ts";
import { createToken } from "../kernel/identity/accounts.ts";
import { defineCommand } from "./command.ts";
import { parseExpiry } from "./expiry.ts";
import { withIdentity } from "./identity.ts";

export const tokenCreate = defineCommand({
  name: "token create",
  summary: "Makes an API token and prints it, once; the token is the last word printed.",
  options: {
    user: { type: "string", value: "NAME", description: "Whose it is" },
    name: { type: "string", value: "TEXT", description: "What it is for" },
    scope: {
      type: "string",
      value: "PERMISSION",
      multiple: true,
      description: "Only this right, like view_datapoint; may be repeated",
    },
    expires: { type: "string", value: "WHEN", description: "Like 12h, 30d, 8w, 1y or 2030-12-31" },
  },
  run: async (values, _positionals, io) => {
    const { user, scope } = values;
    if (user === undefined) throw new OperatorError("busbar token create: --user NAME is missing.");
    const expiresAt = values.expires === undefined ? null : parseExpiry(values.expires, Date.now());
    const wanted = { user, name: values.name ?? "", scopes: scope ?? null, expiresAt };
    const { token } = await withIdentity(io, (identity) =>
      createToken(identity, wanted, serverActor("command line")),
    );
    const end = expiresAt === null ? "" : `, good until ${new Date(expiresAt).toISOString()}`;
    io.out(`Token for ${user}${end}: ${token}`);
    return 0;
  },
});
