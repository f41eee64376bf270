"""What `_text` and `_content` look for, and where `near` looks."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE text_index (
    resource BIGINT NOT NULL,
    parameter INTEGER NOT NULL,
    facility SMALLINT NOT NULL,
    part SMALLINT NOT NULL,
    words TEXT COLLATE "C" NOT NULL
);
CREATE INDEX text_index_resource ON text_index (resource);
CREATE INDEX text_index_words ON text_index USING gin (to_tsvector('simple'::regconfig, words));
CREATE TABLE position_index (
    resource BIGINT NOT NULL,
    parameter INTEGER NOT NULL,
    facility SMALLINT NOT NULL,
    part SMALLINT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL
);
CREATE INDEX position_index_resource ON position_index (resource);
CREATE INDEX position_index_latitude ON position_index (facility, parameter, latitude, longitude, resource);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE text_index; DROP TABLE position_index")
