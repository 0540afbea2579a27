"""The kinds of things that commands change: their names in the events table, and their rules."""

from services.gateway.domain import job as job_rules
from services.gateway.domain import user as user_rules
from services.gateway.store.event_store import Aggregate

JOBS: Aggregate[job_rules.JobState, job_rules.JobCommand] = Aggregate(
    name="job", initial=job_rules.JobState(), decide=job_rules.decide, evolve=job_rules.evolve
)
USERS: Aggregate[user_rules.UserState, user_rules.UserCommand] = Aggregate(
    name="user", initial=user_rules.UserState(), decide=user_rules.decide, evolve=user_rules.evolve
)
