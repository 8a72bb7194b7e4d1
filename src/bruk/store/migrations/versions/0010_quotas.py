"""Quotas of tenants, and what tenants and projects may borrow beyond theirs"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenant", sa.Column("quota_devices", sa.Integer(), nullable=True))
    for table in ("tenant", "project"):
        column = sa.Column("borrow_devices", sa.Integer(), nullable=False, server_default="0")
        op.add_column(table, column)


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
