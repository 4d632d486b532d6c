import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { problemPath } from "./problems.ts";

interface Answer {
  readonly status: number;
  readonly code: "invalid-request" | "too-large";
  readonly detail: string;
}

const answers: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "too-large",
    detail: "The path and headers together exceed 16 KiB.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: "invalid-request",
    detail: "The request took too long to arrive.",
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: "too-large",
    detail: "The chunk extensions are too large.",
  },
};

const notHttp: Answer = { status: 400, code: "invalid-request", detail: "This is not a valid HTTP request." };

/**
 * Answers what the HTTP parser refused, on the bare socket: no request exists that could carry the answer.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, detail } = answers[error.code ?? ""] ?? notHttp;
  const title = STATUS_CODES[status] ?? "Bad Request";
  const body = JSON.stringify({ type: problemPath(code), title, status, detail });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Connection: close",
  ].join("\r\n");
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}
