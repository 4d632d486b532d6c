import type { Generated, Selectable } from "kysely";
import type { Bit } from "../database/columns.ts";
import type { Queryable, Tx } from "../database/engine.ts";
import type { Role } from "./permissions.ts";
import type { Principal } from "./principal.ts";

interface PrincipalsTable {
  id: Generated<number>;
  kind: Principal["kind"];
  /** Where it comes from: `local`, or what imported it; names are unique within one. */
  source: string;
  name: string;
  external_id: string | null;
  organisation: string | null;
  email: string;
  role: Role | null;
  is_superuser: Bit;
  is_staff: Bit;
  is_active: Bit;
  /** PHC text of argon2id; null: no sign-in by password. */
  password: string | null;
  /** Counts up to end all derived tokens and sessions. */
  generation: number;
  /** SHA-256 of the derived token of this generation, once somebody asked for it. */
  derived_hash: string | null;
  created_at: number;
  updated_at: number;
}

interface GroupsTable {
  id: Generated<number>;
  name: string;
  role: Role | null;
  created_at: number;
}

interface GrantsTable {
  id: Generated<number>;
  principal_id: number | null;
  group_id: number | null;
  action: string;
  resource: string;
  object: string;
}

interface TokensTable {
  id: Generated<number>;
  principal_id: number;
  name: string;
  /** The token's first characters. */
  prefix: string;
  /** SHA-256 of the token. */
  hash: string;
  /** JSON array of permission names; null: everything its owner may. */
  scopes: string | null;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  revoked_at: number | null;
}

interface SessionsTable {
  id: Generated<number>;
  principal_id: number;
  hash: string;
  /** The principal's when the session began. */
  generation: number;
  address: string | null;
  created_at: number;
  expires_at: number;
  last_seen_at: number;
}

type IdentityTables = {
  principals: PrincipalsTable;
  groups: GroupsTable;
  memberships: { principal_id: number; group_id: number };
  grants: GrantsTable;
  tokens: TokensTable;
  sessions: SessionsTable;
  identity_guard: { id: number; turn: number };
};

export type PrincipalRow = Selectable<PrincipalsTable>;
export type GroupRow = Selectable<GroupsTable>;
export type TokenRow = Selectable<TokensTable>;

export const tables = (db: Queryable) => db.withTables<IdentityTables>();

/** From here to the end of the transaction nobody else, on any node, changes accounts, groups or rights. */
export async function lockAccounts(tx: Tx): Promise<void> {
  await tables(tx)
    .updateTable("identity_guard")
    .set((eb) => ({ turn: eb("turn", "+", 1) }))
    .where("id", "=", 1)
    .execute();
}
