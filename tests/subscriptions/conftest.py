"""Fixtures of these tests."""

from tests.subscriptions.support import receiver  # noqa: F401 - fixtures
from tests.support.server import app, client, make_client, services  # noqa: F401 - fixtures
