/** The routes Swagger UI brings; they state no access of their own and stay out of the document. */
export const isDocsPath = (url: string): boolean => url === "/docs" || url.startsWith("/docs/");
