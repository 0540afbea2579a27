"""What every test has; fixtures live in `tests/fixtures`, by concern."""

import pytest

# Fixture modules import one another: all of them before any is loaded.
pytest.register_assert_rewrite("tests.fixtures")

from tests.fixtures.environment import forget_the_developer  # noqa: E402 # see above

forget_the_developer()

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in ("bus", "database", "gateway", "github", "jetcron", "mail", "nats", "postgres", "receiver")
]
