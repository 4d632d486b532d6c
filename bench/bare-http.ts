/** What Node.js and Fastify answer without Busbar, each in a process of its own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { answer, taskOf } from "./child.ts";

const body = { status: "ok" };
const listen = { port: 0, host: "127.0.0.1" };

if (taskOf<"node" | "fastify">() === "fastify") {
  const app = fastify();
  app.get("/livez", () => body);
  await app.listen(listen);
  answer({ port: (app.server.address() as AddressInfo).port });
} else {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json; charset=utf-8");
    response.end(JSON.stringify(body));
  });
  server.listen(listen, () => answer({ port: (server.address() as AddressInfo).port }));
}
