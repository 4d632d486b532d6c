import { serverActor } from "../kernel/changes/actor.ts";
import { createUser } from "../kernel/identity/accounts.ts";
import { defineCommand } from "./command.ts";
import { withIdentity } from "./identity.ts";
import { readPassword } from "./password.ts";

export const userAdd = defineCommand({
  name: "user add",
  arguments: ["NAME"],
  summary: "Makes an account; its password comes from the terminal, standard input or a file.",
  options: {
    superuser: { type: "boolean", description: "It may do everything" },
    email: { type: "string", value: "ADDRESS", description: "Its e-mail address" },
    "password-file": { type: "string", value: "FILE", description: "A file that holds the password" },
  },
  run: async (values, [name = ""], io) => {
    const password = await readPassword(name, values["password-file"], io);
    const superuser = values.superuser ?? false;
    const email = values.email ?? "";
    const { id } = await withIdentity(io, (identity) =>
      createUser(identity, { name, password, superuser, email }, serverActor("command line")),
    );
    io.out(`${superuser ? "Superuser" : "User"} ${name} was made with id ${id}`);
    return 0;
  },
});
