"""The sandbox, clients of it, and a scripted server."""

from tests.connectors.fixtures import _sandbox, evidence, sandbox, satusehat, script, vclaim  # noqa: F401 - fixtures
