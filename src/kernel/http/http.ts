import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { Principal } from "../identity/principal.ts";
import type { Access, SurfaceName } from "./surface.ts";

/**
 * The Fastify instance every feature registers its routes on; TypeBox schemas are validation, type and
 * document at once.
 */
export type Http = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Required on every route; start-up fails without it. */
    access?: Access;
    /** Default `kernel`. */
    surface?: SurfaceName;
    /**
     * A POST route honours `Idempotency-Key` unless this is false (answers that carry a secret, streamed
     * uploads).
     */
    idempotent?: boolean;
    /**
     * `fields` (default): a multipart body becomes an object of texts. `stream`: the handler reads
     * `request.parts()`.
     */
    multipart?: "fields" | "stream";
  }
  interface FastifyContextConfig {
    /** Another way to learn who calls, where the headers carry no credentials: a ticket in the query. */
    authenticate?: (request: FastifyRequest) => Promise<Principal | undefined>;
    /** The answer has no end of its own: the figures of requests count it, but not its time. */
    endless?: boolean;
  }
  interface FastifyRequest {
    /** Who calls; undefined only where the route's access is `public` and no credentials came. */
    principal: Principal | undefined;
  }
}
