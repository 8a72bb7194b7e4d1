"""Why a run was stopped, and for whom"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("stop_detail", "stopped_for"):
        op.add_column("run", sa.Column(name, sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
