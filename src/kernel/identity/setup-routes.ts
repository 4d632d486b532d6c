import type { FastifyReply, FastifyRequest } from "fastify";
import { actorOf } from "../changes/actor.ts";
import { Problem } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { publicAccess } from "../http/surface.ts";
import type { OpenedIdentity } from "./open.ts";
import { putSession, refuseCrossSite } from "./session-routes.ts";
import { type SetupForm, setupOverPage, setupPage, stylesheet } from "./setup-page.ts";

const policy =
  "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const open = {
  config: { access: publicAccess, ignoreSession: true, idempotent: false },
  schema: { hide: true },
};

/** `GET` and `POST /setup`: the form behind the one-time link. For people, so that its errors are pages, too. */
export function registerSetupRoutes(http: Http, identity: OpenedIdentity): void {
  http.get("/setup/style.css", open, (_request, reply) =>
    reply.type("text/css; charset=utf-8").header("cache-control", "max-age=3600").send(stylesheet),
  );
  http.get("/setup", open, async (request, reply) => {
    const token = textOf(request.query, "token");
    if (!(await identity.setup.isOpenFor(token))) return sendPage(reply, 404, setupOverPage());
    return sendPage(reply, 200, setupPage({ token, name: "", errors: {} }));
  });
  http.post("/setup", open, (request, reply) => submit(request, reply, identity));
}

async function submit(
  request: FastifyRequest,
  reply: FastifyReply,
  identity: OpenedIdentity,
): Promise<FastifyReply> {
  refuseCrossSite(request);
  const token = textOf(request.body, "token");
  if (!(await identity.setup.isOpenFor(token))) return sendPage(reply, 404, setupOverPage());
  const name = textOf(request.body, "name");
  const password = textOf(request.body, "password");
  const refuse = (status: number, errors: SetupForm["errors"]): FastifyReply =>
    sendPage(reply, status, setupPage({ token, name, errors }));
  if (password !== textOf(request.body, "password2"))
    return refuse(400, { password2: ["The two passwords differ."] });
  try {
    const id = await identity.setup.complete({ name, password }, actorOf(request));
    if (id === undefined) return await sendPage(reply, 404, setupOverPage());
    await putSession(request, reply, identity, { id, name });
    return await reply.redirect("/", 303);
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    // Name and password are texts: what is wrong with them is a list of texts, too.
    const errors = error.fields as SetupForm["errors"] | undefined;
    return await refuse(error.status, errors ?? { "": [error.message] });
  }
}

const sendPage = (reply: FastifyReply, status: number, page: string): FastifyReply =>
  reply
    .code(status)
    .type("text/html; charset=utf-8")
    .header("content-security-policy", policy)
    // The link's token must not travel on in a Referer.
    .header("referrer-policy", "no-referrer")
    .send(page);

function textOf(from: unknown, name: string): string {
  if (typeof from !== "object" || from === null) return "";
  const value: unknown = (from as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}
