"""What jobs may reach from a site, as its agent reports it"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by making the table anew, which the references to it would not allow.
    op.add_column("site", sa.Column("network", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
