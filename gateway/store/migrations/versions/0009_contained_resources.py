"""Contained resources have keys of their own, under which their search index stands."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE contained (
    key BIGINT NOT NULL,
    facility SMALLINT NOT NULL,
    container BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX contained_container ON contained (container);
CREATE INDEX contained_listing ON contained (facility, type, key);
-- what was stored before is read again: for these, and for what the index tells apart and folds since
INSERT INTO reindexing (facility, written, searched, position, done, total, started)
SELECT f.id, '[]', '[]', -1, 0, (SELECT count(*) FROM resource r WHERE r.facility = f.id AND NOT r.deleted), now()
FROM facility f WHERE EXISTS (SELECT FROM resource r WHERE r.facility = f.id)
ON CONFLICT (facility) DO UPDATE SET position = -1, done = 0, total = excluded.total, started = now(), finished = NULL;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE contained")
