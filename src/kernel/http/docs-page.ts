import type { FastifySwaggerUiOptions } from "@fastify/swagger-ui";

const logo = `<svg xmlns="http://www.w3.org/2000/svg" width="150" height="40" viewBox="0 0 150 40">
  <rect x="2" y="17" width="36" height="6" rx="3" fill="#4c9aff"/>
  <path d="M9 17V8m11 9V4m11 13V8M14 23v9m12-9v13" stroke="#4c9aff" stroke-width="3" stroke-linecap="round"/>
  <text x="50" y="28" font-family="system-ui, sans-serif" font-size="24" font-weight="700" fill="#fff">Busbar</text>
</svg>`;

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">
  <rect x="2" y="17" width="36" height="6" rx="3" fill="#0b63ce"/>
  <path d="M9 17V8m11 9V4m11 13V8M14 23v9m12-9v13" stroke="#0b63ce" stroke-width="3" stroke-linecap="round"/>
</svg>`;

/** There is one document here, so no box to load another; it opens as an overview. */
const style = `
.swagger-ui .topbar .download-url-wrapper { display: none; }
.swagger-ui .topbar-wrapper { justify-content: space-between; }
.swagger-ui .info { margin: 24px 0; }
`;

interface PageRequest {
  readonly method?: string;
  readonly headers: Record<string, string>;
}

/**
 * Runs in the page, as text: who is signed in by cookie can try out writes too, for which the server wants the
 * session's CSRF token.
 */
async function addCsrfToken(request: PageRequest): Promise<PageRequest> {
  const unsafe = !["GET", "HEAD", "OPTIONS"].includes(request.method ?? "GET");
  if (!unsafe || request.headers["Authorization"] || request.headers["x-api-key"]) return request;
  const answer = await fetch("/session/");
  const session = answer.ok ? ((await answer.json()) as { readonly csrf_token?: string | null }) : {};
  if (session.csrf_token) request.headers["X-CSRF-Token"] = session.csrf_token;
  return request;
}

/** Swagger UI with local assets, as the product's own page. */
export const docsPage: FastifySwaggerUiOptions = {
  routePrefix: "/docs",
  logo: { type: "image/svg+xml", content: Buffer.from(logo), href: "/", target: "_self" },
  theme: {
    title: "Busbar API",
    css: [{ filename: "busbar.css", content: style }],
    favicon: [
      { filename: "icon.svg", rel: "icon", sizes: "any", type: "image/svg+xml", content: Buffer.from(icon) },
    ],
  },
  uiConfig: {
    deepLinking: true,
    docExpansion: "list",
    filter: true,
    persistAuthorization: true,
    validatorUrl: null,
    requestInterceptor: addCsrfToken as never,
  },
};
