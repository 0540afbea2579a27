"""Who is there to be told: people, teams and the way to Slack, as their newest events say. No input or output here."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.domain.directory import NotificationPreferences, SlackSettings, Team, User
from shared.events import AnyEvent, SlackSettingsUpdated, TeamEvent, UserDeleted, UserEvent

_DEFAULTS = NotificationPreferences()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is worth knowing of a user."""

    id: UUID
    address: str
    is_active: bool
    is_admin: bool
    preferences: NotificationPreferences


class Directory:
    """Takes events in any order, and twice; of each thing the newest version counts."""

    def __init__(self) -> None:
        self._versions: dict[UUID, int] = {}
        self._people: dict[UUID, Person] = {}
        self._by_address: dict[str, UUID] = {}
        self._admins: dict[UUID, Person] = {}
        self._deleted: set[UUID] = set()
        self._teams: dict[UUID, Team] = {}
        self._slack: SlackSettings | None = None

    def __len__(self) -> int:
        return len(self._people)

    def take(self, event: AnyEvent) -> None:
        """Follow a change; what is neither a person's, a team's nor Slack's is passed over."""
        match event:
            case UserDeleted(before=user, version=version) if self._is_new(user.id, version):
                self._remove(user.id)
                self._deleted.add(user.id)
            case UserEvent(user=User() as user) if self._is_new(user.id, user.version):
                self._remove(user.id)
                self._add(user)
            case TeamEvent(team=team) if self._is_new(team.id, team.version):
                self._teams[team.id] = team
            case SlackSettingsUpdated(settings=settings) if self._is_new(settings.id, settings.version):
                self._slack = settings
            case _:
                return

    def person(self, user_id: UUID) -> Person | None:
        """A user who exists."""
        return self._people.get(user_id)

    def is_deleted(self, user_id: UUID) -> bool:
        """Whether there was such a user; of one who was never heard of nobody knows."""
        return user_id in self._deleted

    def at(self, address: str) -> Person | None:
        """The user whose address it is, in capitals or not."""
        user_id = self._by_address.get(address.lower())
        return self._people.get(user_id) if user_id is not None else None

    def administrators(self) -> Iterable[Person]:
        """Those who can act."""
        return (person for person in self._admins.values() if person.is_active)

    def handle(self, team_slug: str | None) -> str | None:
        """How a team is called in Slack."""
        return next((team.slack_handle for team in self._teams.values() if team.slug == team_slug), None)

    @property
    def slack(self) -> SlackSettings | None:
        """The way to Slack; None while it is off or leads nowhere."""
        settings = self._slack
        return settings if settings and settings.is_enabled and settings.sealed_webhook_url else None

    def _is_new(self, aggregate_id: UUID, version: int) -> bool:
        if self._versions.get(aggregate_id, 0) >= version:
            return False
        self._versions[aggregate_id] = version
        return True

    def _add(self, user: User) -> None:
        person = Person(
            id=user.id,
            address=user.email,
            is_active=user.is_active,
            is_admin=user.role == "admin",
            preferences=user.notification_preferences or _DEFAULTS,
        )
        self._people[user.id] = person
        self._by_address[user.email.lower()] = user.id
        if person.is_admin:
            self._admins[user.id] = person

    def _remove(self, user_id: UUID) -> None:
        person = self._people.pop(user_id, None)
        self._admins.pop(user_id, None)
        # Somebody else may have taken the address before this change of its former owner was heard of.
        if person is not None and self._by_address.get(person.address.lower()) == user_id:
            del self._by_address[person.address.lower()]
