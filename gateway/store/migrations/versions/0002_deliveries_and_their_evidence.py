"""Deliveries that the writes call for, and the evidence of each attempt."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE outbox_wish (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    facility text NOT NULL,
    destination text,
    operation text,
    step text,
    rank smallint,
    visit text,
    source text NOT NULL,
    source_version integer NOT NULL
);
COMMENT ON TABLE outbox_wish IS 'insert-only: what a write calls for; without operation: only that source has changed';
CREATE FUNCTION outbox_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gapura_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_ring AFTER INSERT ON outbox_wish FOR EACH STATEMENT EXECUTE FUNCTION outbox_ring();

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    facility text NOT NULL,
    destination text NOT NULL,
    operation text NOT NULL,
    step text NOT NULL DEFAULT '',
    rank smallint NOT NULL DEFAULT 0,
    visit text NOT NULL,
    source text NOT NULL,
    source_version integer NOT NULL,
    newer integer,
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'leased', 'held', 'parked', 'done', 'cancelled')),
    due timestamptz NOT NULL DEFAULT now(),
    claims integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    unsettled boolean NOT NULL DEFAULT false,
    stirred boolean NOT NULL DEFAULT false,
    watches text[] NOT NULL DEFAULT '{}',
    reason jsonb,
    result jsonb,
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished timestamptz
);
COMMENT ON COLUMN outbox.rank IS 'within a visit the rows of a destination go by rank, then by id';
COMMENT ON COLUMN outbox.due IS 'state due: not before this moment; state leased: the end of the lease';
COMMENT ON COLUMN outbox.newer IS 'version of the source that was written while the row was leased';
COMMENT ON COLUMN outbox.stirred IS 'something that the row may depend on was written while it was leased';
CREATE UNIQUE INDEX outbox_one_open ON outbox (facility, operation, step, source)
    WHERE state IN ('due', 'leased', 'held', 'parked');
CREATE INDEX outbox_claimable ON outbox (destination, due, id) WHERE state IN ('due', 'leased');
CREATE INDEX outbox_order ON outbox (facility, destination, visit, rank, id)
    WHERE state IN ('due', 'leased', 'held', 'parked');
CREATE INDEX outbox_waiting ON outbox (facility, visit) WHERE state IN ('held', 'leased', 'parked');
CREATE INDEX outbox_watches ON outbox USING gin (watches) WHERE state IN ('held', 'parked');
CREATE INDEX outbox_leased ON outbox (facility) WHERE state = 'leased';
CREATE INDEX outbox_visit ON outbox (facility, visit, id);
CREATE INDEX outbox_created ON outbox (created);

CREATE TABLE outbox_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    outbox bigint NOT NULL REFERENCES outbox ON DELETE CASCADE,
    claim integer NOT NULL,
    method text NOT NULL,
    url text NOT NULL,
    request bytea,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended timestamptz,
    status integer,
    reply bytea,
    failure text
);
COMMENT ON COLUMN outbox_attempt.ended IS 'NULL: announced before it left, and the worker died before an answer';
CREATE INDEX outbox_attempt_outbox ON outbox_attempt (outbox, id);

CREATE TABLE outbox_pause (
    facility text NOT NULL,
    destination text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    reason jsonb NOT NULL,
    PRIMARY KEY (facility, destination)
);

CREATE TABLE outbox_sent (
    facility text NOT NULL,
    destination text NOT NULL,
    local text NOT NULL,
    step text NOT NULL,
    digest bytea NOT NULL,
    sent timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (facility, destination, local, step)
);
COMMENT ON COLUMN outbox_sent.digest IS 'SHA-256 of what the step last delivered: unchanged is not sent again';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE outbox_sent, outbox_pause, outbox_attempt, outbox, outbox_wish")
    op.execute("DROP FUNCTION outbox_ring")
