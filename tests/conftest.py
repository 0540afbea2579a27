"""What every test has; fixtures live in `tests/fixtures`, by concern."""

import os

import pytest

# Fixture modules import one another: all of them before any is loaded.
pytest.register_assert_rewrite("tests.fixtures")

from tests.fixtures.environment import forget_the_developer  # noqa: E402 # see above
from tests.fixtures.order import dealt  # noqa: E402 # see above

forget_the_developer()

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in ("bus", "database", "gateway", "github", "jetcron", "mail", "nats", "postgres", "receiver")
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long, as their own time-out tells, begin first: most of their time they wait for what they look at."""
    long = [item for item in items if item.get_closest_marker("timeout") is not None]
    short = [item for item in items if item.get_closest_marker("timeout") is None]
    items[:] = dealt(long, short, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
