"""credentials and API keys say when they were used and rotate; signing keys are handed over"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("credential") as batch:
        batch.add_column(sa.Column("id", sa.String(length=200), nullable=True))
        batch.add_column(sa.Column("source", sa.Text(), nullable=True))
        batch.add_column(sa.Column("last_used_at_ms", sa.BigInteger(), nullable=True))
    credential = sa.table(
        "credential",
        sa.column("id", sa.String),
        sa.column("secret_hash", sa.String),
        sa.column("source", sa.Text),
        sa.column("kind", sa.String),
        sa.column("used", sa.Boolean),
        sa.column("created_at_ms", sa.BigInteger),
        sa.column("expires_at_ms", sa.BigInteger),
    )
    # A part of the hash of 256 bits of chance gives nothing away.
    op.execute(
        credential.update().values(
            id=sa.literal("cred_") + sa.func.substr(credential.c.secret_hash, 1, 24),
            source="an earlier version",
        )
    )
    op.execute(credential.delete().where(credential.c.expires_at_ms <= credential.c.created_at_ms))
    op.execute(credential.update().where(credential.c.kind != "login").values(used=False))
    with op.batch_alter_table("credential") as batch:
        batch.alter_column("id", existing_type=sa.String(length=200), nullable=False)
        batch.alter_column("source", existing_type=sa.Text(), nullable=False)
        batch.create_unique_constraint(op.f("uq_credential_id"), ["id"])
        batch.create_check_constraint(op.f("ck_credential_links_are_used"), "kind = 'login' OR NOT used")
        batch.create_check_constraint(op.f("ck_credential_lives"), "expires_at_ms > created_at_ms")
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("old_secret_hash", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("old_until_ms", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("last_used_at_ms", sa.BigInteger(), nullable=True))
        batch.create_unique_constraint(op.f("uq_api_key_old_secret_hash"), ["old_secret_hash"])
        batch.create_check_constraint(
            op.f("ck_api_key_old_secret_ends"), "(old_secret_hash IS NULL) = (old_until_ms IS NULL)"
        )
        batch.create_check_constraint(op.f("ck_api_key_secrets_differ"), "old_secret_hash <> secret_hash")
    op.create_table(
        "signing_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("public_key", sa.String(length=100), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("handover", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_signing_key_counted")),
        sa.CheckConstraint("until_ms IS NULL OR until_ms >= from_ms", name=op.f("ck_signing_key_forward")),
        sa.CheckConstraint("(number = 1) = (handover IS NULL)", name=op.f("ck_signing_key_handed_over")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("public_key", name=op.f("uq_signing_key_public_key")),
    )


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
