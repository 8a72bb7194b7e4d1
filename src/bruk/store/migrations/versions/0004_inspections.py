"""operators look at tenants' content only by a request"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added in place, with its check: SQLite would otherwise make the table anew under its projects.
    op.add_column(
        "tenant",
        sa.Column(
            "operator_access",
            sa.String(length=10),
            sa.CheckConstraint(
                "operator_access IN ('audited', 'approved')", name=op.f("ck_tenant_operator_access")
            ),
            nullable=False,
            server_default="audited",
        ),
    )
    op.create_table(
        "inspection",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("asked_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("life_ms", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(length=200), nullable=True),
        sa.Column("granted_by", sa.Text(), nullable=True),
        sa.Column("granted_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("life_ms > 0 AND life_ms <= 86400000", name=op.f("ck_inspection_limited")),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_inspection_reasoned")),
        sa.CheckConstraint(
            "(granted_by IS NULL) = (granted_at_ms IS NULL) AND "
            "(granted_by IS NULL) = (expires_at_ms IS NULL)",
            name=op.f("ck_inspection_granted"),
        ),
        sa.CheckConstraint("(ended_by IS NULL) = (ended_at_ms IS NULL)", name=op.f("ck_inspection_ended")),
        sa.CheckConstraint("expires_at_ms <= granted_at_ms + life_ms", name=op.f("ck_inspection_expires")),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name=op.f("fk_inspection_project")),
        sa.ForeignKeyConstraint(["asked_by"], ["user_account.id"], name=op.f("fk_inspection_asked_by")),
        sa.ForeignKeyConstraint(["site"], ["site.name"], name=op.f("fk_inspection_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection")),
    )
    op.create_table(
        "inspection_use",
        sa.Column("inspection", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["inspection"], ["inspection.id"], name=op.f("fk_inspection_use_inspection")),
        sa.PrimaryKeyConstraint("inspection", "what", name=op.f("pk_inspection_use")),
    )


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
