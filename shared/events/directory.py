"""Domain events of people, teams and settings: what other services know of them. Each carries the whole state."""

from typing import Literal

from shared.domain.directory import Account, Category, SlackSettings, Team, User
from shared.events.base import Event


class UserEvent(Event):
    """A change of a user: the state after it and before it (absent where there is none)."""

    user: User | None
    before: User | None = None


class UserRegistered(UserEvent):
    """A user exists from now on."""

    type: Literal["user.registered"] = "user.registered"
    user: User


class UserUpdated(UserEvent):
    """A user changed: address, password (as a new token version), role, activity or preferences."""

    type: Literal["user.updated"] = "user.updated"
    user: User
    before: User


class UserDeleted(UserEvent):
    """A user is gone; `version` says which change that was."""

    type: Literal["user.deleted"] = "user.deleted"
    user: None = None
    before: User
    version: int


class CategoryEvent(Event):
    """A change of a category."""

    category: Category
    before: Category | None = None


class CategoryCreated(CategoryEvent):
    """A category exists from now on."""

    type: Literal["category.created"] = "category.created"


class CategoryUpdated(CategoryEvent):
    """A category was renamed, disabled or enabled."""

    type: Literal["category.updated"] = "category.updated"
    before: Category


class TeamEvent(Event):
    """A change of a team."""

    team: Team
    before: Team | None = None


class TeamCreated(TeamEvent):
    """A team exists from now on."""

    type: Literal["team.created"] = "team.created"


class TeamUpdated(TeamEvent):
    """A team was renamed, disabled or enabled, or has another Slack handle."""

    type: Literal["team.updated"] = "team.updated"
    before: Team


class AccountEvent(Event):
    """A change of an account."""

    account: Account
    before: Account | None = None


class AccountCreated(AccountEvent):
    """An account exists from now on."""

    type: Literal["account.created"] = "account.created"


class AccountUpdated(AccountEvent):
    """An account was renamed, or its members changed."""

    type: Literal["account.updated"] = "account.updated"
    before: Account


class SlackSettingsUpdated(Event):
    """How messages get to Slack changed."""

    type: Literal["settings.slack_updated"] = "settings.slack_updated"
    settings: SlackSettings
    before: SlackSettings | None = None
