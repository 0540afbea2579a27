"""Logging in, and going on with a session: refresh tokens are used once, and a stolen one ends its whole family."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.tokens import Claims, InvalidToken, IssuedToken, TokenKind, fingerprint
from services.gateway.commands.throttling import (
    Attempt,
    note_failure,
    note_success,
    refuse_guessing,
    take_turn,
)
from services.gateway.gateway import Gateway
from services.gateway.store.tables import credentials, refresh_tokens, users
from shared.errors import Unauthenticated
from shared.events import User

GRACE = timedelta(seconds=10)
"""How long a used refresh token is taken once more: its answer may have been lost on the way."""

logger = structlog.get_logger()


class InvalidCredentials(Unauthenticated):
    """Unknown, disabled, or a wrong password: the caller is not told which."""

    title = "Invalid credentials"

    def __init__(self) -> None:
        super().__init__("Invalid email/username or password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who logged in, and with what they go on."""

    user: User
    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""


async def log_in(gateway: Gateway, login: str, password: str, host: str | None) -> Session:
    """A new session for a user name or an e-mail address; `host` is where the request came from.

    Raises `InvalidCredentials`, and `TooManyFailedLogins` without looking at the password.
    """
    attempt = Attempt.of(login, host)
    async with gateway.database.read() as connection:
        await refuse_guessing(connection, attempt, gateway.clock())
    row = await _find_user(gateway, login)
    password_hash = row.password_hash if row is not None else None
    is_right = await gateway.passwords.verify(password, password_hash)
    user = _user(row) if row is not None and is_right and row.is_active else None
    refresh = await _settle(gateway, attempt, user)
    # Raised behind the transaction: the failure must stay counted.
    if user is None or refresh is None:
        logger.info("login refused", action="login")
        raise InvalidCredentials
    return _session(gateway, user, refresh)


async def refresh_session(gateway: Gateway, refresh_token: str) -> Session:
    """The next pair of tokens for an unused refresh token; raises `InvalidToken`.

    A used one that comes back after `GRACE` was copied: all tokens that descend from the same login are revoked.
    """
    claims = gateway.tokens.read(TokenKind.REFRESH, refresh_token)
    async with gateway.database.write() as connection:
        user = await _owner(connection, claims)
        family = await _admit(connection, claims, gateway.clock(), spend=True)
        if family is not None:
            refresh = gateway.tokens.issue(TokenKind.REFRESH, user)
            await _remember(connection, refresh, user.id, family)
    # Raised behind the transaction: what it revoked must stay revoked.
    if family is None:
        raise InvalidToken
    return _session(gateway, user, refresh)


async def renew_access(gateway: Gateway, refresh_token: str) -> str:
    """A new access token, for clients that could not take the next refresh token: theirs stays unused.

    Refuses what `refresh_session` would refuse, with the same consequences; raises `InvalidToken`.
    """
    claims = gateway.tokens.read(TokenKind.REFRESH, refresh_token)
    async with gateway.database.write() as connection:
        user = await _owner(connection, claims)
        family = await _admit(connection, claims, gateway.clock(), spend=False)
    if family is None:
        raise InvalidToken
    return gateway.tokens.issue(TokenKind.ACCESS, user).text


async def end_session(gateway: Gateway, refresh_token: str, user_id: UUID) -> bool:
    """Revoke all refresh tokens of the user's session that this one is of; whether there was one to revoke."""
    try:
        claims = gateway.tokens.read(TokenKind.REFRESH, refresh_token)
    except InvalidToken:
        return False
    if claims.sub != user_id:
        return False
    async with gateway.database.write() as connection:
        alive = [row for row in await _lock_family(connection, claims) if row.revoked_at is None]
        if alive:
            await _revoke(connection, alive[0].family, gateway.clock())
    return bool(alive)


async def _settle(gateway: Gateway, attempt: Attempt, user: User | None) -> IssuedToken | None:
    """Count a failure, or begin the session of who logged in; returns its refresh token.

    Others may have reached the limit while the password was verified: then nobody learns whether it was right.
    """
    now = gateway.clock()
    async with gateway.database.write() as connection:
        await take_turn(gateway.database, connection, attempt)
        await refuse_guessing(connection, attempt, now)
        if user is None:
            await note_failure(connection, attempt, now)
            return None
        await note_success(gateway.database, connection, attempt, now)
        refresh = gateway.tokens.issue(TokenKind.REFRESH, user)
        await _forget_expired(connection, user.id, now)
        await _remember(connection, refresh, user.id, family=uuid4())
        return refresh


async def _find_user(gateway: Gateway, login: str) -> Row[Any] | None:
    # A user name has no @, so that one login cannot mean two people.
    found = (
        select(users, credentials.c.password_hash)
        .join(credentials, credentials.c.user_id == users.c.id)
        .where(or_(users.c.username == login, users.c.email == login.lower()))
    )
    async with gateway.database.read() as connection:
        return (await connection.execute(found)).first()


async def _owner(connection: AsyncConnection, claims: Claims) -> User:
    """The active user whose token it is; raises `InvalidToken`."""
    row = (await connection.execute(select(users).where(users.c.id == claims.sub))).first()
    user = _user(row) if row is not None else None
    if user is None or not user.is_active or user.token_version != claims.ver:
        raise InvalidToken
    return user


async def _admit(connection: AsyncConnection, claims: Claims, now: datetime, *, spend: bool) -> UUID | None:
    """The family of a token that is (still) good, and is used up if it is spent; None when it is not."""
    jti_hash = fingerprint(claims.jti)
    relatives = await _lock_family(connection, claims)
    token = next((row for row in relatives if row.jti_hash == jti_hash), None)
    if token is None or token.revoked_at is not None:
        return None
    family: UUID = token.family
    if token.used_at is None:
        if spend:
            this = refresh_tokens.c.jti_hash == jti_hash
            await connection.execute(update(refresh_tokens).where(this).values(used_at=now))
    elif now - token.used_at > GRACE:
        logger.warning("a used refresh token came back", action="refresh", user_id=str(claims.sub))
        await _revoke(connection, family, now)
        return None
    return family


async def _lock_family(connection: AsyncConnection, claims: Claims) -> Sequence[Row[Any]]:
    """All tokens of the session, locked, so that no descendant is made while another transaction revokes them all."""
    this = refresh_tokens.c.jti_hash == fingerprint(claims.jti)
    same_family = select(refresh_tokens.c.family).where(this).scalar_subquery()
    locked = select(refresh_tokens).where(refresh_tokens.c.family == same_family).with_for_update()
    return (await connection.execute(locked)).all()


async def _revoke(connection: AsyncConnection, family: UUID, now: datetime) -> None:
    everyone = refresh_tokens.c.family == family
    await connection.execute(update(refresh_tokens).where(everyone).values(revoked_at=now))


async def _remember(connection: AsyncConnection, token: IssuedToken, user_id: UUID, family: UUID) -> None:
    await connection.execute(
        refresh_tokens.insert().values(
            jti_hash=token.jti_hash,
            family=family,
            user_id=user_id,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
        )
    )


async def _forget_expired(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    expired = (refresh_tokens.c.user_id == user_id) & (refresh_tokens.c.expires_at < now)
    await connection.execute(refresh_tokens.delete().where(expired))


def _user(row: Row[Any]) -> User:
    return User.model_validate({name: row._mapping[name] for name in User.model_fields})


def _session(gateway: Gateway, user: User, refresh: IssuedToken) -> Session:
    access = gateway.tokens.issue(TokenKind.ACCESS, user)
    return Session(
        user=user,
        access_token=access.text,
        refresh_token=refresh.text,
        expires_in=gateway.settings.jwt_access_token_expires,
    )
