"""Numbers and quantities are found by their upper ends too, and what was written lately by an index alone."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX number_index_high ON number_index (facility, parameter, high, resource);
CREATE INDEX quantity_index_high ON quantity_index (facility, parameter, high, resource);
CREATE INDEX quantity_index_canonical_high
    ON quantity_index (facility, parameter, canonical_unit, canonical_high, resource);
DROP INDEX resource_last_updated;
CREATE INDEX resource_last_updated ON resource (facility, type, last_updated, key);
"""
DOWN = """
DROP INDEX number_index_high;
DROP INDEX quantity_index_high;
DROP INDEX quantity_index_canonical_high;
DROP INDEX resource_last_updated;
CREATE INDEX resource_last_updated ON resource (facility, type, last_updated);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
