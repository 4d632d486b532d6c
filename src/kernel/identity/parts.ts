import type { ChangeLog } from "../changes/changes.ts";
import type { Database } from "../database/engine.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../time.ts";
import type { Passwords } from "./passwords.ts";
import type { Catalogue } from "./permissions.ts";
import type { Secrets } from "./secrets.ts";

/** What the use cases of identity work with. */
export interface IdentityParts {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly catalogue: Catalogue;
  readonly passwords: Passwords;
  readonly secrets: Secrets;
}
