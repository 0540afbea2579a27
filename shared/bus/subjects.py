"""Every subject, stream, bucket and durable name, with the service that writes it.

| subject | writers |
|---|---|
| `jetcron.events.<aggregate>.<id>` | gateway (relay, seeding) |
| `jetcron.triggers.<queue>.<job_id>` | scheduler (planned runs), gateway (asked-for runs, runs published again) |
| `jetcron.decisions.<job_id>` | scheduler |
| `jetcron.checkpoint` | scheduler |
| `jetcron.executions.<job_id>.<execution_id>` | executor; gateway (seeding: `unknown`, `cancelled`; sweeper: `lost`, `cancelled`) |
| `jetcron.inbox.<user_id>` | notifier |
| `jetcron.notices.<channel>.<notification_id>` | notifier |
| `jetcron.trials.<queue>` (core NATS, nothing stores it) | gateway |
| `jetcron.control.<execution_id>` (core NATS, nothing stores it) | executor |
"""

from uuid import UUID

EVENTS = "EVENTS"
JOBS = "JOBS"
DIRECTORY = "DIRECTORY"
TRIGGERS = "TRIGGERS"
EXECUTIONS = "EXECUTIONS"
INBOX = "INBOX"
NOTICES = "NOTICES"

SCHEDULER_BUCKET = "scheduler"
FENCE_BUCKET = "fence"
SENT_BUCKET = "sent"
LEASE_KEY = "lease"
CHECKPOINT_KEY = "checkpoint"
REMINDERS_KEY = "reminders"
REMINDERS_CLAIM_KEY = "reminders-claim"
GENERATION_KEY = "generation"
INSTANCE_KEYS = "instances"
"""Of the schedulers that are there: a key each, gone by itself soon after they are."""

JOB_EVENTS = "jetcron.events.job.*"
ALERT_EVENTS = "jetcron.events.alert.*"
DIRECTORY_EVENTS = ("jetcron.events.user.*", "jetcron.events.team.*", "jetcron.events.settings.*")
ALL_EVENTS = "jetcron.events.>"
SEEDED = "jetcron.events.job._seeded"
ALL_TRIGGERS = "jetcron.triggers.>"
ALL_DECISIONS = "jetcron.decisions.>"
CHECKPOINT = "jetcron.checkpoint"
ALL_EXECUTIONS = "jetcron.executions.>"
ALL_INBOX = "jetcron.inbox.>"
ALL_NOTICES = "jetcron.notices.>"
ALL_CONTROL = "jetcron.control.*"

NOTIFIER_DURABLE = "notifier"
NOTIFIER_EVENTS_DURABLE = "notifier-events"
INBOX_DURABLE = "gateway-inbox"

MAIL = "mail"
SLACK = "slack"
CHANNELS = (MAIL, SLACK)


def executor_durable(queue: str) -> str:
    """The durable consumer of one queue's triggers."""
    return f"executor-{queue}"


def event(aggregate: str, aggregate_id: UUID) -> str:
    """Where an aggregate's events go."""
    return f"jetcron.events.{aggregate}.{aggregate_id}"


def trigger(queue: str, job_id: UUID | str) -> str:
    """Where runs go; `*` stands for all of a queue or of a job."""
    return f"jetcron.triggers.{queue}.{job_id}"


def decision(job_id: UUID) -> str:
    """Where decisions not to run (yet) go."""
    return f"jetcron.decisions.{job_id}"


def execution(job_id: UUID, execution_id: UUID) -> str:
    """Where the reports of one execution go; its last message is the claim on it."""
    return f"jetcron.executions.{job_id}.{execution_id}"


def control(execution_id: UUID) -> str:
    """Where whoever runs an execution is asked to stop it."""
    return f"jetcron.control.{execution_id}"


def inbox(user_id: UUID) -> str:
    """Where a user's notifications go."""
    return f"jetcron.inbox.{user_id}"


def notice(channel: str, notification_id: UUID | str) -> str:
    """Where a notice waits to be sent; `*` stands for all of a channel."""
    return f"jetcron.notices.{channel}.{notification_id}"


def channel_durable(channel: str) -> str:
    """The durable consumer of one channel's notices."""
    return f"notifier-{channel}"
