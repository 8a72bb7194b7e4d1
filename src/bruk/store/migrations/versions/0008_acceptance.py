"""Where tenants share a site without isolation, the words in which that was accepted"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("site", sa.Column("isolation_acceptance", sa.Text(), nullable=False, server_default=""))
    words = "accepted in an earlier version"
    op.execute(sa.text(f"UPDATE site SET isolation_acceptance = '{words}' WHERE isolation_accepted"))  # noqa: S608
    # Not by making the table anew, which the references to it would not allow.
    op.drop_column("site", "isolation_accepted")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward; restore a backup instead")
