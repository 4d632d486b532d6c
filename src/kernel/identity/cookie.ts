/** The session cookie, read and written. */
const cookieName = "busbar_session";
const sessionId = /^[\w-]{43}$/;

/** The session id in a Cookie header. */
export function cookieIn(header: string | undefined): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() !== cookieName) continue;
    const value = pair.slice(at + 1).trim();
    if (sessionId.test(value)) return value;
  }
  return undefined;
}

/** Value of Set-Cookie that begins a session in the browser, or ends it (`id` undefined). */
export function setCookie(id: string | undefined, secure: boolean, maxAgeSeconds: number): string {
  const age = id === undefined ? 0 : maxAgeSeconds;
  const attributes = `Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  return `${cookieName}=${id ?? ""}; ${attributes}`;
}
