"""The kinds of things that commands change: their names in the events table, and their rules."""

from services.gateway.domain import account as account_rules
from services.gateway.domain import calendar as calendar_rules
from services.gateway.domain import category as category_rules
from services.gateway.domain import job as job_rules
from services.gateway.domain import slack as slack_rules
from services.gateway.domain import team as team_rules
from services.gateway.domain import user as user_rules
from services.gateway.store.event_store import Aggregate

JOBS: Aggregate[job_rules.JobState, job_rules.JobCommand] = Aggregate(
    name="job", initial=job_rules.JobState(), decide=job_rules.decide, evolve=job_rules.evolve
)
USERS: Aggregate[user_rules.UserState, user_rules.UserCommand] = Aggregate(
    name="user", initial=user_rules.UserState(), decide=user_rules.decide, evolve=user_rules.evolve
)
CATEGORIES: Aggregate[category_rules.CategoryState, category_rules.CategoryCommand] = Aggregate(
    name="category",
    initial=category_rules.CategoryState(),
    decide=category_rules.decide,
    evolve=category_rules.evolve,
)
TEAMS: Aggregate[team_rules.TeamState, team_rules.TeamCommand] = Aggregate(
    name="team", initial=team_rules.TeamState(), decide=team_rules.decide, evolve=team_rules.evolve
)
CALENDARS: Aggregate[calendar_rules.CalendarState, calendar_rules.CalendarCommand] = Aggregate(
    name="calendar",
    initial=calendar_rules.CalendarState(),
    decide=calendar_rules.decide,
    evolve=calendar_rules.evolve,
)
SLACK: Aggregate[slack_rules.SlackState, slack_rules.UpdateSlackSettings] = Aggregate(
    name="settings",
    initial=slack_rules.SlackState(),
    decide=slack_rules.decide,
    evolve=slack_rules.evolve,
)
ACCOUNTS: Aggregate[account_rules.AccountState, account_rules.AccountCommand] = Aggregate(
    name="account",
    initial=account_rules.AccountState(),
    decide=account_rules.decide,
    evolve=account_rules.evolve,
)
