"""Commands on users. A user's password hash is written in the transaction of the event, but is no part of it."""

from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import structlog
from pydantic import EmailStr, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.passwords import MAX_LENGTH, MIN_LENGTH
from services.gateway.domain.actor import SYSTEM, Actor, Role
from services.gateway.domain.user import InvalidUser, RegisterUser, UserCommand, UserState
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.settings import GatewaySettings
from services.gateway.store.aggregates import USERS
from services.gateway.store.event_store import Context
from services.gateway.store.migrate import upgrade
from services.gateway.store.tables import credentials, users
from shared.clock import Clock, utc_now
from shared.errors import Conflict
from shared.events import User

DEFAULT_ADMIN_ID = uuid5(NAMESPACE_URL, "jetcron:default-admin")
"""The same at every gateway, so that two that start at once make one administrator."""
DEFAULT_ADMIN = "admin"
DEFAULT_ADMIN_EMAIL = "admin@example.com"
DEFAULT_ADMIN_PASSWORD = "admin123"  # noqa: S105 # never in production, see GatewaySettings.default_admin_allowed

logger = structlog.get_logger()

_email: TypeAdapter[str] = TypeAdapter(EmailStr)


async def register_user(
    gateway: Gateway,
    *,
    username: str,
    email: str,
    password: str,
    role: Role,
    actor: Actor,
    user_id: UUID | None = None,
) -> User:
    """Create a user who can log in; raises `InvalidUser`, `Conflict` and `Forbidden`."""
    _check_password(password)
    address = normal_email(email)
    new_id = user_id or uuid4()
    now = gateway.clock()
    password_hash = await gateway.passwords.hash(password)

    async def prepare(connection: AsyncConnection, _state: UserState) -> UserCommand:
        names = select(users.c.username).where(users.c.username == username)
        addresses = select(users.c.email).where(users.c.email == address)
        username_taken = (await connection.execute(names)).first() is not None
        email_taken = (await connection.execute(addresses)).first() is not None
        if not username_taken and not email_taken:
            row = {"user_id": new_id, "password_hash": password_hash, "changed_at": now}
            await connection.execute(credentials.insert().values(row))
        return RegisterUser(
            user_id=new_id,
            username=username,
            email=address,
            role=role,
            actor=actor,
            now=now,
            username_taken=username_taken,
            email_taken=email_taken,
        )

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    state = await gateway.event_store.execute(USERS, new_id, prepare, context)
    if state.user is None:
        raise InvalidUser("The user could not be registered")
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
        return _email.validate_python(email).lower()
    except ValidationError as error:
        raise InvalidUser(f"{email!r} is not a valid e-mail address", title="Invalid email") from error


def _check_password(password: str) -> None:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidUser(
            f"password must have {MIN_LENGTH} to {MAX_LENGTH} characters", title="Invalid password"
        )
