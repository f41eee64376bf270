"""The event of a parked delivery holds why it waits."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE OR REPLACE FUNCTION subscription_of_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        INSERT INTO subscription_event (facility, subscription, act, focus, version{column})
        SELECT facility, id, 'parked', NEW.source, NEW.source_version{value} FROM subscription
        WHERE facility = NEW.facility AND topic = 'delivery-parked' AND recording
        RETURNING facility, subscription
    )
    INSERT INTO outbox_wish (facility, destination, operation, step, rank, visit, source, source_version)
    SELECT facility, 'subscription', 'subscription', 'notify', 1, 'Subscription/' || subscription,
        'Subscription/' || subscription, 1
    FROM told;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("ALTER TABLE subscription_event ADD COLUMN reason jsonb")
    op.execute("COMMENT ON COLUMN subscription_event.reason IS 'of a parked delivery: its code, and the words for it'")
    op.execute(FUNCTION.format(column=", reason", value=", NEW.reason"))


def downgrade() -> None:
    op.execute(FUNCTION.format(column="", value=""))
    op.execute("ALTER TABLE subscription_event DROP COLUMN reason")
