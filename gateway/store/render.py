"""`python -m gateway.store.render [REVISION]`: the SQL that brings a database from a revision, or from nothing, to the
newest. A program of its own, because Alembic and SQLAlchemy would stay in the memory of whoever imports them."""

import sys

from alembic import command
from alembic.config import Config

from gateway.store.migrate import MIGRATIONS

if __name__ == "__main__":
    config = Config(attributes={"script": sys.stdout})
    config.set_main_option("script_location", str(MIGRATIONS))
    found = sys.argv[1:]
    command.upgrade(config, f"{found[0]}:head" if found else "head", sql=True)
