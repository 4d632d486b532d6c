import type { Kysely } from "kysely";
import type { ColumnTypes } from "../database/columns.ts";
import type { Migrations, Tables } from "../database/engine.ts";

export const identityMigrations: Migrations = {
  "kernel/0002-identity": async (db, types) => {
    await createPrincipals(db, types);
    await createGroups(db, types);
    await createGrants(db, types);
    await createTokens(db, types);
    await createSessions(db, types);
    // Its one row is locked by whoever changes accounts: two nodes can then neither both make the first superuser
    // nor remove the last two.
    await db.schema
      .createTable("identity_guard")
      .addColumn("id", types.integer, (column) => column.primaryKey())
      .addColumn("turn", types.integer, (column) => column.notNull())
      .execute();
    await db
      .withTables<{ identity_guard: { id: number; turn: number } }>()
      .insertInto("identity_guard")
      .values({ id: 1, turn: 0 })
      .execute();
  },
};

async function createPrincipals(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable("principals")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("kind", types.text, (column) => column.notNull())
    .addColumn("source", types.text, (column) => column.notNull())
    .addColumn("name", types.text, (column) => column.notNull())
    .addColumn("external_id", types.text)
    .addColumn("organisation", types.text)
    .addColumn("email", types.text, (column) => column.notNull())
    .addColumn("role", types.text)
    .addColumn("is_superuser", types.boolean, (column) => column.notNull())
    .addColumn("is_staff", types.boolean, (column) => column.notNull())
    .addColumn("is_active", types.boolean, (column) => column.notNull())
    .addColumn("password", types.text)
    .addColumn("generation", types.integer, (column) => column.notNull())
    .addColumn("derived_hash", types.text)
    .addColumn("created_at", types.integer, (column) => column.notNull())
    .addColumn("updated_at", types.integer, (column) => column.notNull())
    .addUniqueConstraint("principals_by_source_and_name", ["source", "name"])
    .addUniqueConstraint("principals_by_derived_hash", ["derived_hash"])
    .execute();
  await db.schema.createIndex("principals_by_name").on("principals").column("name").execute();
}

async function createGroups(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable("groups")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("name", types.text, (column) => column.notNull().unique())
    .addColumn("role", types.text)
    .addColumn("created_at", types.integer, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("memberships")
    .addColumn("principal_id", types.integer, (column) =>
      column.notNull().references("principals.id").onDelete("cascade"),
    )
    .addColumn("group_id", types.integer, (column) =>
      column.notNull().references("groups.id").onDelete("cascade"),
    )
    .addPrimaryKeyConstraint("memberships_key", ["principal_id", "group_id"])
    .execute();
  await db.schema.createIndex("memberships_by_group").on("memberships").column("group_id").execute();
}

/** To a principal or to a group: one of the two is null. */
async function createGrants(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable("grants")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("principal_id", types.integer, (column) =>
      column.references("principals.id").onDelete("cascade"),
    )
    .addColumn("group_id", types.integer, (column) => column.references("groups.id").onDelete("cascade"))
    .addColumn("action", types.text, (column) => column.notNull())
    .addColumn("resource", types.text, (column) => column.notNull())
    .addColumn("object", types.text, (column) => column.notNull())
    .addUniqueConstraint("grants_by_principal", ["principal_id", "action", "resource", "object"])
    .addUniqueConstraint("grants_by_group", ["group_id", "action", "resource", "object"])
    .execute();
}

async function createTokens(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable("tokens")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("principal_id", types.integer, (column) =>
      column.notNull().references("principals.id").onDelete("cascade"),
    )
    .addColumn("name", types.text, (column) => column.notNull())
    .addColumn("prefix", types.text, (column) => column.notNull())
    .addColumn("hash", types.text, (column) => column.notNull().unique())
    .addColumn("scopes", types.json)
    .addColumn("created_at", types.integer, (column) => column.notNull())
    .addColumn("expires_at", types.integer)
    .addColumn("last_used_at", types.integer)
    .addColumn("revoked_at", types.integer)
    .execute();
  await db.schema.createIndex("tokens_by_principal").on("tokens").column("principal_id").execute();
}

async function createSessions(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable("sessions")
    .addColumn("id", types.integer, types.generatedKey)
    .addColumn("principal_id", types.integer, (column) =>
      column.notNull().references("principals.id").onDelete("cascade"),
    )
    .addColumn("hash", types.text, (column) => column.notNull().unique())
    .addColumn("generation", types.integer, (column) => column.notNull())
    .addColumn("address", types.text)
    .addColumn("created_at", types.integer, (column) => column.notNull())
    .addColumn("expires_at", types.integer, (column) => column.notNull())
    .addColumn("last_seen_at", types.integer, (column) => column.notNull())
    .execute();
  await db.schema.createIndex("sessions_by_principal").on("sessions").column("principal_id").execute();
}
