"""Commands on users. A user's password hash is written in the transaction of the event, but is no part of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import structlog
from sqlalchemy import BigInteger, delete, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.passwords import MAX_LENGTH, MIN_LENGTH
from services.gateway.domain.actor import SYSTEM, Actor, Role
from services.gateway.domain.address import email_address
from services.gateway.domain.user import (
    DeleteUser,
    InvalidUser,
    RegisterUser,
    UpdateUser,
    UserCommand,
    UserNotFound,
    UserState,
)
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.settings import GatewaySettings
from services.gateway.store.aggregates import USERS
from services.gateway.store.database import Database
from services.gateway.store.event_store import Context
from services.gateway.store.migrate import upgrade
from services.gateway.store.tables import credentials, refresh_tokens, users
from shared.clock import Clock, utc_now
from shared.errors import Conflict
from shared.events import User

DEFAULT_ADMIN_ID = uuid5(NAMESPACE_URL, "jetcron:default-admin")
"""The same at every gateway, so that two that start at once make one administrator."""
DEFAULT_ADMIN = "admin"
DEFAULT_ADMIN_EMAIL = "admin@example.com"
DEFAULT_ADMIN_PASSWORD = "admin123"  # noqa: S105 # never in production, see GatewaySettings.default_admin_allowed

ADMINISTRATORS_LOCK = 0x6A6574_61646D  # any number that no other lock of this database has

logger = structlog.get_logger()

Prepare: TypeAlias = Callable[[AsyncConnection, UserState], Awaitable[UserCommand]]


async def register_user(
    gateway: Gateway,
    *,
    username: str,
    email: str,
    password: str,
    role: object,
    actor: Actor,
    is_active: bool = True,
    user_id: UUID | None = None,
) -> User:
    """Create a user who can log in; raises `InvalidUser`, `Conflict` and `Forbidden`."""
    _check_password(password)
    address = normal_email(email)
    new_id, now = user_id or uuid4(), gateway.clock()
    password_hash = await gateway.passwords.hash(password)

    async def prepare(connection: AsyncConnection, _state: UserState) -> UserCommand:
        same_name = select(users.c.id).where(users.c.username == username)
        username_taken = (await connection.execute(same_name)).first() is not None
        email_taken = await _is_email_taken(connection, address, new_id)
        if not username_taken and not email_taken:
            row = {"user_id": new_id, "password_hash": password_hash, "changed_at": now}
            await connection.execute(credentials.insert().values(row))
        return RegisterUser(
            user_id=new_id,
            username=username,
            email=address,
            role=role,
            is_active=is_active,
            actor=actor,
            now=now,
            username_taken=username_taken,
            email_taken=email_taken,
        )

    return existing(await execute(gateway, new_id, prepare, actor), new_id)


async def update_user(gateway: Gateway, user_id: UUID, fields: Mapping[str, Any], actor: Actor) -> User:
    """Change the given ones of `email`, `password`, `role` and `is_active`.

    All but the address end the user's sessions. Raises `UserNotFound`, `Forbidden`, `InvalidUser`, `Conflict` and
    `LastAdministrator`.
    """
    changes, now = dict(fields), gateway.clock()
    password: str | None = changes.pop("password", None)
    password_hash = None
    if "email" in changes:
        changes["email"] = normal_email(changes["email"])
    if password is not None:
        _check_password(password)
        password_hash = await gateway.passwords.hash(password)

    async def prepare(connection: AsyncConnection, _state: UserState) -> UserCommand:
        if password_hash is not None:
            new = update(credentials).where(credentials.c.user_id == user_id)
            await connection.execute(new.values(password_hash=password_hash, changed_at=now))
        may_be_last = bool(changes.keys() & {"role", "is_active"})
        return UpdateUser(
            user_id=user_id,
            changes=changes,
            new_password=password_hash is not None,
            actor=actor,
            now=now,
            email_taken="email" in changes and await _is_email_taken(connection, changes["email"], user_id),
            another_admin=not may_be_last or await _another_admin(gateway.database, connection, user_id),
        )

    return existing(await execute(gateway, user_id, prepare, actor), user_id)


async def delete_user(gateway: Gateway, user_id: UUID, actor: Actor) -> str:
    """Delete a user with all that they could log in with, and return the name that they had.

    Raises `UserNotFound`, `Forbidden`, `InvalidUser` (it is the actor) and `LastAdministrator`.
    """
    now = gateway.clock()
    name = ""

    async def prepare(connection: AsyncConnection, state: UserState) -> UserCommand:
        nonlocal name
        name = state.user.username if state.user is not None else ""
        for table in (credentials, refresh_tokens):
            await connection.execute(delete(table).where(table.c.user_id == user_id))
        another_admin = await _another_admin(gateway.database, connection, user_id)
        return DeleteUser(user_id=user_id, actor=actor, now=now, another_admin=another_admin)

    await execute(gateway, user_id, prepare, actor)
    return name


async def execute(gateway: Gateway, user_id: UUID, prepare: Prepare, actor: Actor) -> UserState:
    """Run a command on a user; nobody at this gateway is taken for what they were before."""
    context = Context(actor=actor.name, at=gateway.clock(), correlation_id=str(uuid4()))
    state = await gateway.event_store.execute(USERS, user_id, prepare, context)
    gateway.known_users.forget(user_id)
    return state


def existing(state: UserState, user_id: UUID) -> User:
    """The user, who is there; raises `UserNotFound`."""
    if state.user is None:
        raise UserNotFound(user_id)
    return state.user


async def ensure_default_admin(gateway: Gateway) -> None:
    """Make the administrator that everybody knows where that is allowed and nobody could log in otherwise."""
    if not gateway.settings.default_admin_allowed:
        return
    async with gateway.database.read() as connection:
        if (await connection.execute(select(users.c.id).limit(1))).first() is not None:
            return
    try:
        await register_user(
            gateway,
            username=DEFAULT_ADMIN,
            email=DEFAULT_ADMIN_EMAIL,
            password=DEFAULT_ADMIN_PASSWORD,
            role=Role.ADMIN,
            actor=SYSTEM,
            user_id=DEFAULT_ADMIN_ID,
        )
    except Conflict:
        # Another gateway, started at the same moment, was faster.
        return
    logger.warning(
        "made the default administrator; change the password", action="users", username=DEFAULT_ADMIN
    )


async def create_admin(
    settings: GatewaySettings, *, username: str, email: str, password: str, clock: Clock = utc_now
) -> User:
    """What an operator does from the command line: works without a running gateway, and beside one.

    Raises `InvalidUser` and `Conflict`.
    """
    gateway = make_gateway(settings, clock)
    try:
        await upgrade(gateway.database)
        return await register_user(
            gateway, username=username, email=email, password=password, role=Role.ADMIN, actor=SYSTEM
        )
    finally:
        await gateway.close()


def normal_email(email: str) -> str:
    """An address as it is stored and looked up: nobody means two mailboxes by two spellings of one."""
    try:
        return email_address(email).lower()
    except ValueError as error:
        raise InvalidUser(f"{email!r} is not a valid e-mail address", title="Invalid email") from error


def _check_password(password: str) -> None:
    message = f"password must have {MIN_LENGTH} to {MAX_LENGTH} characters"
    if len(password) < MIN_LENGTH:
        raise InvalidUser(message, title=f"Password must be at least {MIN_LENGTH} characters long")
    if len(password) > MAX_LENGTH:
        raise InvalidUser(message, title="Invalid password")


async def _is_email_taken(connection: AsyncConnection, email: str, user_id: UUID) -> bool:
    others = select(users.c.id).where(users.c.email == email, users.c.id != user_id)
    return (await connection.execute(others)).first() is not None


async def _another_admin(database: Database, connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether somebody else is an active administrator, and stays one until the transaction ends.

    Of two who demote each other at once, the second one waits here and then finds nobody else.
    """
    if not database.is_sqlite:
        await connection.execute(select(func.pg_advisory_xact_lock(literal(ADMINISTRATORS_LOCK, BigInteger))))
    others = select(users.c.id).where(users.c.role == Role.ADMIN, users.c.is_active, users.c.id != user_id)
    return (await connection.execute(others.limit(1))).first() is not None
