"""Fixtures of these tests."""

from tests.support.server import app, client, make_client, services  # noqa: F401 - fixtures
