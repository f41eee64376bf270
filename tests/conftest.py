"""What every test may use: the folder of published suites and samples beside the repository, where there is one."""

from pathlib import Path

import pytest

from tests.support.database import database_url, home, migrated, postgres, settings, store  # noqa: F401 - fixtures

SHARED = Path(__file__).parents[2] / "shared"
LONGEST = (
    *("clients/test_published_examples.py", "test_main_job.py", "store/test_embedded.py", "clients/test_fhirpy.py"),
    *("fhir/test_claims.py", "bulk/test_over_http.py", "test_demo.py", "store/search/test_oracle.py"),
)
"""Files that are begun first, where several processes share the work: what begins last ends alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the rest as it was found."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def shared_path(*parts: str) -> Path:
    """A path below the shared folder; the test (or, at import, its module) is skipped where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts) or 'the shared folder'} is not beside the repository", allow_module_level=True)
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder."""
    return shared_path()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests record (`record_property`), whichever process they ran in."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for what, figure in report.user_properties:
            terminalreporter.write_line(f"{what}: {figure}")
