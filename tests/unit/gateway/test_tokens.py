"""A token is taken when it is ours, whole, of its kind and in time; otherwise nobody is told why not."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from services.gateway.auth.tokens import Claims, InvalidToken, TokenKind, Tokens, fingerprint
from services.gateway.settings import GatewaySettings
from tests.fixtures.builders import SOME_TIME, make_user
from tests.fixtures.gateway import MovableClock

KEY = "a key that only the tests know, of more than sixty-four bytes, as HS512 wants it"
OTHER_KEY = "another key that only the tests know, also of more than sixty-four bytes, as it were"
USER = make_user(token_version=4)
NOW = int(SOME_TIME.timestamp())
WHOLE: dict[str, Any] = {
    "iss": "jetcron",
    "aud": "jetcron-api",
    "sub": str(USER.id),
    "jti": "6f3c",
    "iat": NOW,
    "exp": NOW + 60,
    "typ": "access",
    "ver": 4,
    "role": "user",
}
CLAIMS = Claims(sub=USER.id, jti="6f3c", typ=TokenKind.ACCESS, ver=4, iat=NOW, exp=NOW + 60)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def tokens(clock: MovableClock) -> Tokens:
    settings = {"jwt_secret_key": KEY, "jwt_access_token_expires": 60, "jwt_refresh_token_expires": 600}
    return Tokens(GatewaySettings.model_validate(settings), clock)


def signed(claims: dict[str, Any], key: str = KEY, **options: Any) -> str:
    return jwt.encode(claims, key, **{"algorithm": "HS256", **options})


def without(name: str) -> dict[str, Any]:
    return {claim: value for claim, value in WHOLE.items() if claim != name}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def changed(token: str, **claims: Any) -> str:
    """The token with other claims under the old signature."""
    header, _, signature = token.split(".")
    return f"{header}.{part({**WHOLE, **claims})}.{signature}"


def refused(tokens: Tokens, text: str, kind: TokenKind = TokenKind.ACCESS) -> None:
    with pytest.raises(InvalidToken) as raised:
        tokens.read(kind, text)
    assert (raised.value.title, raised.value.message) == (
        "Unauthorized",
        "The token is invalid or has expired",
    )


class TestIssued:
    def test_it_says_whose_it_is_and_for_how_long(self, tokens: Tokens) -> None:
        for kind, lifetime in ((TokenKind.ACCESS, 60), (TokenKind.REFRESH, 600)):
            issued = tokens.issue(kind, USER)
            claims = tokens.read(kind, issued.text)
            assert claims == Claims(sub=USER.id, jti=claims.jti, typ=kind, ver=4, iat=NOW, exp=NOW + lifetime)
            assert issued.jti_hash == fingerprint(claims.jti)
            assert (issued.issued_at, issued.expires_at) == (
                SOME_TIME,
                SOME_TIME + timedelta(seconds=lifetime),
            )

    def test_without_a_key_of_its_own_the_secret_key_signs_it(self, clock: MovableClock) -> None:
        settings = {"secret_key": KEY, "jwt_access_token_expires": 1}
        issued = Tokens(GatewaySettings.model_validate(settings), clock).issue(TokenKind.ACCESS, USER)
        untimed: jwt.types.Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        claims = jwt.decode(issued.text, KEY, algorithms=["HS256"], options=untimed)
        assert (claims["sub"], claims["role"], claims["email"]) == (str(USER.id), USER.role, USER.email)

    def test_no_two_are_the_same(self, tokens: Tokens) -> None:
        assert len({tokens.issue(TokenKind.REFRESH, USER).text for _ in range(10)}) == 10

    def test_what_is_kept_of_it_is_a_digest(self) -> None:
        assert fingerprint("6f3c") == hashlib.sha256(b"6f3c").hexdigest()


class TestKinds:
    def test_a_refresh_token_is_no_access_token(self, tokens: Tokens) -> None:
        refused(tokens, tokens.issue(TokenKind.REFRESH, USER).text, TokenKind.ACCESS)

    def test_an_access_token_is_no_refresh_token(self, tokens: Tokens) -> None:
        refused(tokens, tokens.issue(TokenKind.ACCESS, USER).text, TokenKind.REFRESH)

    @pytest.mark.parametrize("typ", ["ACCESS", "", "admin", None, 1, ["access"]])
    def test_an_unknown_kind_is_none(self, tokens: Tokens, typ: object) -> None:
        refused(tokens, signed({**WHOLE, "typ": typ}))


class TestTime:
    def test_it_is_good_until_it_expires_and_no_longer(self, tokens: Tokens, clock: MovableClock) -> None:
        issued = tokens.issue(TokenKind.ACCESS, USER)
        clock.advance(seconds=59.999)
        assert tokens.read(TokenKind.ACCESS, issued.text).exp == NOW + 60
        clock.advance(seconds=0.001)
        refused(tokens, issued.text)

    def test_a_gateway_whose_clock_is_a_little_behind_takes_it(
        self, tokens: Tokens, clock: MovableClock
    ) -> None:
        issued = tokens.issue(TokenKind.ACCESS, USER)
        clock.advance(seconds=-10)
        assert tokens.read(TokenKind.ACCESS, issued.text).iat == NOW
        clock.advance(seconds=-1)
        refused(tokens, issued.text)


class TestForged:
    def test_what_we_would_have_signed_is_taken(self, tokens: Tokens) -> None:
        assert tokens.read(TokenKind.ACCESS, signed(WHOLE)) == CLAIMS

    def test_a_signature_of_another_key_is_refused(self, tokens: Tokens) -> None:
        refused(tokens, signed(WHOLE, OTHER_KEY))

    def test_another_algorithm_is_refused(self, tokens: Tokens) -> None:
        refused(tokens, signed(WHOLE, algorithm="HS512"))
        refused(tokens, signed(WHOLE, "", algorithm="none"))

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256"])
    def test_no_signature_is_refused(self, tokens: Tokens, algorithm: str) -> None:
        refused(tokens, f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(WHOLE)}.")

    def test_claims_that_were_changed_afterwards_are_refused(self, tokens: Tokens) -> None:
        refused(tokens, changed(signed(WHOLE), ver=5))
        refused(tokens, changed(signed(WHOLE), exp=NOW + 6_000))

    def test_a_key_that_the_token_names_is_not_looked_for(self, tokens: Tokens) -> None:
        where = {"kid": "../../dev/null", "jku": "http://127.0.0.1:9/keys", "jwk": {"kty": "oct", "k": ""}}
        assert tokens.read(TokenKind.ACCESS, signed(WHOLE, headers=where)) == CLAIMS
        refused(tokens, signed(WHOLE, OTHER_KEY, headers=where))

    @pytest.mark.parametrize("text", ["", ".", "..", "x", "a.b.c", "é.ü.ß", "\0", "e30.e30.", "x" * 10_000])
    def test_what_is_no_token_is_refused(self, tokens: Tokens, text: str) -> None:
        refused(tokens, text)


class TestClaims:
    @pytest.mark.parametrize("name", WHOLE)
    def test_each_must_be_there(self, tokens: Tokens, name: str) -> None:
        refused(tokens, signed(without(name)))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("iss", "somebody-else"),
            ("aud", "another-api"),
            ("aud", ["another-api"]),
            ("sub", "admin"),
            ("jti", 5),
            ("ver", "4"),
            ("ver", True),
            ("ver", None),
            ("iat", f"{NOW}"),
            ("exp", f"{NOW + 60}"),
            ("exp", 1e300),
        ],
    )
    def test_each_must_be_right(self, tokens: Tokens, name: str, value: object) -> None:
        refused(tokens, signed({**WHOLE, name: value}))
