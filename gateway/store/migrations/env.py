"""Alembic's entry: migrations are written out as one SQL script, which `gateway.store.migrate` runs over asyncpg."""

from alembic import context

from gateway.store.schema import metadata

if not context.is_offline_mode():
    raise SystemExit(
        "run `gapura db migrate`: migrations are rendered as SQL, then executed on the gateway's own driver"
    )

context.configure(
    dialect_name="postgresql",
    target_metadata=metadata,
    output_buffer=context.config.attributes["script"],
    literal_binds=True,
)
context.run_migrations()
