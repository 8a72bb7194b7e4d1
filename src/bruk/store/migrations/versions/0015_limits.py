"""Limits on calls of models, of tenants, projects and keys"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("tenant", "project", "api_key"):
        op.add_column(table, sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
