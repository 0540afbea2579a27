"""What every test has; fixtures live in `tests/fixtures`, by concern."""

from tests.fixtures.environment import forget_the_developer

forget_the_developer()

pytest_plugins = ["tests.fixtures.nats", "tests.fixtures.postgres", "tests.fixtures.receiver"]
