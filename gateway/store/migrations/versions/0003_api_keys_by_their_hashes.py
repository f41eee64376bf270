"""API keys: only their hashes are kept."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE api_key (
    id text PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    role text NOT NULL,
    facility text,
    label text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    revoked timestamptz
);
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the whole key; a key holds 256 random bits, so no slow hash is needed';
COMMENT ON COLUMN api_key.facility IS 'slug of the one facility it opens, NULL: all of them';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE api_key")
