"""ledger and audit refuse UPDATE, DELETE and TRUNCATE"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("ledger", "audit")
KNOWN = {
    "ledger": "EXISTS (SELECT 1 FROM ledger WHERE seq = NEW.seq OR key = NEW.key OR hash = NEW.hash)",
    "audit": "EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR hash = NEW.hash)",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} entries are never changed'); END"
                )
            # REPLACE removes the row in its way without asking the trigger on DELETE.
            op.execute(
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                f"WHEN {KNOWN[table]} "
                f"BEGIN SELECT RAISE(ABORT, '{table} entries are never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION bruk_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% entries are never changed', TG_TABLE_NAME; END $$"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION bruk_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION bruk_append_only()"
        )


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
