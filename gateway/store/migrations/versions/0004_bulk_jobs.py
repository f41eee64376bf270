"""Jobs that run longer than a request: bulk exports, imports, searches whose caller will not wait."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE bulk_job (
    id text PRIMARY KEY,
    facility text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('export', 'import', 'interaction')),
    key text NOT NULL,
    remote text NOT NULL,
    request jsonb NOT NULL,
    state text NOT NULL DEFAULT 'due'
        CHECK (state IN ('due', 'running', 'done', 'failed', 'cancelled', 'expired')),
    due timestamptz NOT NULL DEFAULT now(),
    claims integer NOT NULL DEFAULT 0,
    interruptions integer NOT NULL DEFAULT 0,
    progress text NOT NULL DEFAULT '',
    position jsonb NOT NULL DEFAULT '{}',
    transaction_time timestamptz NOT NULL,
    files jsonb NOT NULL DEFAULT '[]',
    failure jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    expires timestamptz
);
COMMENT ON COLUMN bulk_job.key IS 'api_key.id of who began it: nobody else sees, stops or downloads it';
COMMENT ON COLUMN bulk_job.due IS 'state due: not before this moment; state running: the end of the lease';
COMMENT ON COLUMN bulk_job.interruptions IS 'how often in a row a process died with it and nothing was gained';
COMMENT ON COLUMN bulk_job.position IS 'where an import goes on; it moves in the transaction of what was imported';
CREATE INDEX bulk_job_claimable ON bulk_job (due) WHERE state IN ('due', 'running');
CREATE INDEX bulk_job_open ON bulk_job (key) WHERE state IN ('due', 'running');
CREATE INDEX bulk_job_expiring ON bulk_job (expires) WHERE state IN ('done', 'failed');
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE bulk_job")
