"""Subscriptions, what happened for each of them, and the event of a delivery that is parked."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE subscription (
    facility text NOT NULL,
    id text NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    topic text NOT NULL,
    recording boolean NOT NULL DEFAULT false,
    origin text NOT NULL DEFAULT '',
    headers jsonb NOT NULL DEFAULT '{}',
    events bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    sent timestamptz,
    PRIMARY KEY (facility, id)
);
COMMENT ON COLUMN subscription.recording IS 'has been active since it was last off: what happens is kept for it';
COMMENT ON COLUMN subscription.headers IS 'the channel''s headers with their values; the stored resource has none';
COMMENT ON COLUMN subscription.events IS 'number of its newest event';
COMMENT ON COLUMN subscription.delivered IS 'number of the newest event that its endpoint has accepted';
CREATE FUNCTION subscription_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gapura_subscription', coalesce(NEW.facility, OLD.facility));
    RETURN NULL;
END $$;
CREATE TRIGGER subscription_ring AFTER INSERT OR DELETE OR UPDATE OF version, status ON subscription
    FOR EACH ROW EXECUTE FUNCTION subscription_ring();

CREATE TABLE subscription_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    facility text NOT NULL,
    subscription text NOT NULL,
    number bigint,
    act text NOT NULL,
    focus text NOT NULL,
    version integer NOT NULL,
    happened timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN subscription_event.number IS 'without gaps, given after the commit that made it happen';
CREATE UNIQUE INDEX subscription_event_number ON subscription_event (facility, subscription, number)
    WHERE number IS NOT NULL;
CREATE INDEX subscription_event_new ON subscription_event (facility, subscription, id) WHERE number IS NULL;

CREATE FUNCTION subscription_of_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        INSERT INTO subscription_event (facility, subscription, act, focus, version)
        SELECT facility, id, 'parked', NEW.source, NEW.source_version FROM subscription
        WHERE facility = NEW.facility AND topic = 'delivery-parked' AND recording
        RETURNING facility, subscription
    )
    INSERT INTO outbox_wish (facility, destination, operation, step, rank, visit, source, source_version)
    SELECT facility, 'subscription', 'subscription', 'notify', 1, 'Subscription/' || subscription,
        'Subscription/' || subscription, 1
    FROM told;
    RETURN NULL;
END $$;
CREATE TRIGGER subscription_of_parked AFTER UPDATE OF state ON outbox FOR EACH ROW
    WHEN (NEW.state = 'parked' AND OLD.state <> 'parked' AND NEW.destination <> 'subscription')
    EXECUTE FUNCTION subscription_of_parked();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TRIGGER subscription_of_parked ON outbox")
    op.execute("DROP TABLE subscription_event, subscription")
    op.execute("DROP FUNCTION subscription_of_parked, subscription_ring")
