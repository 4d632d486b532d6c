import type { ChangeLog } from "../changes/changes.ts";
import { registerChangesRoutes } from "../changes/routes.ts";
import type { Http } from "../http/http.ts";
import { registerGroupRoutes } from "./group-routes.ts";
import type { OpenedIdentity } from "./open.ts";
import { registerSessionRoutes } from "./session-routes.ts";
import { registerSetupRoutes } from "./setup-routes.ts";
import { registerTokenRoutes } from "./token-routes.ts";
import { registerUserRoutes } from "./user-routes.ts";

/** Registers everything about who may do what, and who did it. */
export function registerIdentityRoutes(http: Http, identity: OpenedIdentity, changes: ChangeLog): void {
  registerUserRoutes(http, identity);
  registerGroupRoutes(http, identity);
  registerTokenRoutes(http, identity);
  registerSessionRoutes(http, identity);
  registerSetupRoutes(http, identity);
  registerChangesRoutes(http, identity.database.read, changes);
}
