"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

UP = """
"""


def upgrade() -> None:
    """Say what it makes."""
    op.execute(UP)
