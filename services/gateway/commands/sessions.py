"""Logging in, and going on with a session: refresh tokens are used once, and a stolen one ends its whole family."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.tokens import Claims, InvalidToken, IssuedToken, TokenKind, fingerprint
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


async def log_in(gateway: Gateway, login: str, password: str) -> Session:
    """A new session for a user name or an e-mail address; raises `InvalidCredentials`."""
    row = await _find_user(gateway, login)
    password_hash = row.password_hash if row is not None else None
    is_right = await gateway.passwords.verify(password, password_hash)
    if row is None or not is_right or not row.is_active:
        logger.info("login refused", action="login")
        raise InvalidCredentials
    user = _user(row)
    refresh = gateway.tokens.issue(TokenKind.REFRESH, user)
    async with gateway.database.write() as connection:
        await _forget_expired(connection, user.id, gateway.clock())
        await _remember(connection, refresh, user.id, family=uuid4())
    return _session(gateway, user, refresh)


async def refresh_session(gateway: Gateway, refresh_token: str) -> Session:
    """The next pair of tokens for an unused refresh token; raises `InvalidToken`.

    A used one that comes back after `GRACE` was copied: all tokens that descend from the same login are revoked.
    """
    claims = gateway.tokens.read(TokenKind.REFRESH, refresh_token)
    async with gateway.database.write() as connection:
        row = (await connection.execute(select(users).where(users.c.id == claims.sub))).first()
        user = _user(row) if row is not None else None
        if user is None or not user.is_active or user.token_version != claims.ver:
            raise InvalidToken
        family = await _spend(connection, claims, gateway.clock())
        if family is not None:
            refresh = gateway.tokens.issue(TokenKind.REFRESH, user)
            await _remember(connection, refresh, user.id, family)
    # Raised behind the transaction: what it revoked must stay revoked.
    if family is None:
        raise InvalidToken
    return _session(gateway, user, refresh)


async def _find_user(gateway: Gateway, login: str) -> Row[Any] | None:
    # A user name has no @, so that one login cannot mean two people.
    found = (
        select(users, credentials.c.password_hash)
        .join(credentials, credentials.c.user_id == users.c.id)
        .where(or_(users.c.username == login, users.c.email == login.lower()))
    )
    async with gateway.database.read() as connection:
        return (await connection.execute(found)).first()


async def _spend(connection: AsyncConnection, claims: Claims, now: datetime) -> UUID | None:
    """Mark the token used and return its family; None when it may not be used (any more)."""
    jti_hash = fingerprint(claims.jti)
    same_family = (
        select(refresh_tokens.c.family).where(refresh_tokens.c.jti_hash == jti_hash).scalar_subquery()
    )
    # The whole family is locked, so that no descendant is made while another one's reuse revokes them all.
    locked = select(refresh_tokens).where(refresh_tokens.c.family == same_family).with_for_update()
    relatives = (await connection.execute(locked)).all()
    token = next((row for row in relatives if row.jti_hash == jti_hash), None)
    if token is None or token.revoked_at is not None:
        return None
    family: UUID = token.family
    if token.used_at is None:
        this = refresh_tokens.c.jti_hash == jti_hash
        await connection.execute(update(refresh_tokens).where(this).values(used_at=now))
    elif now - token.used_at > GRACE:
        logger.warning("a used refresh token came back", action="refresh", user_id=str(claims.sub))
        everyone = refresh_tokens.c.family == family
        await connection.execute(update(refresh_tokens).where(everyone).values(revoked_at=now))
        return None
    return family


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
    return Session(user=user, access_token=access.text, refresh_token=refresh.text)
