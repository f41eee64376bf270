"""The search parameters that a facility added for itself, and how far its resources are read again for them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE reindexing (
    facility SMALLINT NOT NULL,
    written JSONB NOT NULL,
    searched JSONB NOT NULL,
    position BIGINT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    started TIMESTAMP WITH TIME ZONE NOT NULL,
    finished TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (facility)
);
-- what was stored before there were words and positions in the index is read again
INSERT INTO reindexing
SELECT f.id, '[]', '[]', -1, 0, (SELECT count(*) FROM resource r WHERE r.facility = f.id AND NOT r.deleted), now(), NULL
FROM facility f WHERE EXISTS (SELECT FROM resource r WHERE r.facility = f.id);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE reindexing")
