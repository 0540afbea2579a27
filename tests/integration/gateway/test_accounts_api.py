"""Accounts over HTTP: who sees which, and who says who belongs to them."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.commands.accounts import ensure_default_account
from services.gateway.store.event_store import Change, Context
from services.gateway.store.tables import accounts, events
from shared.domain.job import DEFAULT_ACCOUNT_ID
from shared.events import UserDeleted
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z

DEFAULT = f"/accounts/{DEFAULT_ACCOUNT_ID}"
PEOPLE = ["admin", "other", "user", "viewer"]


async def make(api: Api, name: str = "Research") -> Json:
    """An account, as the API answers it."""
    answer = await api.admin.post("/accounts", json={"name": name})
    assert answer.status_code == 201, answer.text
    account: Json = answer.json()["account"]
    return account


def part(api: Api, account: Json, person: str) -> str:
    """Where somebody's part in an account stands."""
    return f"/accounts/{account['id']}/members/{api.people[person].id}"


async def join(api: Api, account: Json, person: str, role: str = "member") -> Json:
    answer = await api.admin.put(part(api, account, person), json={"role": role})
    assert answer.status_code == 200, answer.text
    member: Json = answer.json()["member"]
    return member


async def names(client: httpx.AsyncClient) -> list[str]:
    body = await body_of(client, "/accounts")
    assert body["count"] == len(body["accounts"])
    return [one["name"] for one in body["accounts"]]


async def members(client: httpx.AsyncClient, account: Json) -> list[tuple[str, str]]:
    body = await body_of(client, f"/accounts/{account['id']}/members")
    assert (body["account_id"], body["count"]) == (account["id"], len(body["members"]))
    return [(one["username"], one["role"]) for one in body["members"]]


async def test_everybody_belongs_to_the_default_one(api: Api) -> None:
    for client in (api.admin, api.user, api.viewer):
        body = await body_of(client, "/accounts")
        assert body["accounts"] == [
            {
                "id": str(DEFAULT_ACCOUNT_ID),
                "name": "Default",
                "is_default": True,
                "member_count": 4,
                "created_at": z(api.clock.now),
                "updated_at": z(api.clock.now),
            }
        ]
        assert await body_of(client, DEFAULT) == {"account": body["accounts"][0]}
        assert await body_of(client, f"{DEFAULT}/members") == {
            "account_id": str(DEFAULT_ACCOUNT_ID),
            "count": 4,
            "members": [
                {
                    "user_id": str(api.people[name].id),
                    "username": name,
                    "role": "member",
                    "since": z(SOME_TIME),
                }
                for name in PEOPLE
            ],
        }


async def test_gateways_that_start_at_once_make_one_default(api: Api) -> None:
    async with api.gateway.database.write() as connection:
        await connection.execute(events.delete().where(events.c.aggregate == "account"))
        await connection.execute(accounts.delete())
    await asyncio.gather(*(ensure_default_account(api.gateway) for _ in range(5)))
    assert await names(api.user) == ["Default"]


async def test_an_administrator_makes_and_renames_one(api: Api) -> None:
    answer = await api.admin.post("/accounts", json={"name": " Research "})
    assert answer.status_code == 201
    account = answer.json()["account"]
    assert answer.json() == {
        "message": "Account created",
        "account": {
            "id": account["id"],
            "name": "Research",
            "is_default": False,
            "member_count": 0,
            "created_at": z(api.clock.now),
            "updated_at": z(api.clock.now),
        },
    }
    later = api.clock.advance(minutes=1)
    answer = await api.admin.put(f"/accounts/{account['id']}", json={"name": "Science"})
    assert answer.status_code == 200
    renamed = {**account, "name": "Science", "updated_at": z(later)}
    assert answer.json() == {"message": "Account updated", "account": renamed}
    assert await body_of(api.admin, f"/accounts/{account['id']}") == {"account": renamed}
    assert (await api.admin.put(DEFAULT, json={"name": "House"})).status_code == 200
    assert await names(api.user) == ["House"]


async def test_a_name_is_given_once(api: Api) -> None:
    account = await make(api)
    for answer in (
        await api.admin.post("/accounts", json={"name": "Default"}),
        await api.admin.put(f"/accounts/{account['id']}", json={"name": "Default"}),
    ):
        assert answer.status_code == 409
        assert answer.json() == {
            "error": "Duplicate account name",
            "message": 'An account named "Default" already exists.',
        }
    answers = await asyncio.gather(*(api.admin.post("/accounts", json={"name": "Twin"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Missing required fields"),
        ({"name": " "}, "Invalid name"),
        ({"name": None}, "Invalid name"),
        ({"name": "x" * 256}, "Invalid name"),
        ({"name": "a\nb"}, "Invalid name"),
        ({"name": "x", "id": "y"}, "Invalid payload"),
    ],
)
async def test_what_is_no_account_is_refused(api: Api, body: Json, error: str) -> None:
    account = await make(api)
    for answer in (
        await api.admin.post("/accounts", json=body),
        await api.admin.put(f"/accounts/{account['id']}", json=body),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await names(api.admin) == ["Default", "Research"]


async def test_members_come_change_and_go(api: Api) -> None:
    account = await make(api)
    since = z(api.clock.advance(minutes=1))
    member = {
        "user_id": str(api.people["user"].id),
        "username": "user",
        "role": "owner",
        "since": since,
    }
    answer = await api.admin.put(part(api, account, "user"), json={"role": "owner"})
    assert answer.json() == {"message": "Member updated", "member": member}
    api.clock.advance(minutes=1)
    assert await join(api, account, "user") == {**member, "role": "member"}
    await join(api, account, "other")
    assert await members(api.user, account) == [("other", "member"), ("user", "member")]
    assert (await body_of(api.user, f"/accounts/{account['id']}"))["account"]["member_count"] == 2
    answer = await api.admin.delete(part(api, account, "user"))
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Member removed",
        "removed_member": {"account_id": account["id"], "user_id": member["user_id"]},
    }
    assert await members(api.other, account) == [("other", "member")]
    assert await names(api.user) == ["Default"]


async def test_others_see_theirs_only(api: Api) -> None:
    account, _ = await make(api), await make(api, "Elsewhere")
    await join(api, account, "viewer")
    assert await names(api.admin) == ["Default", "Elsewhere", "Research"]
    assert await names(api.viewer) == ["Default", "Research"]
    assert await names(api.user) == ["Default"]
    path = f"/accounts/{account['id']}"
    for answer in (
        await api.user.get(path),
        await api.user.get(f"{path}/members"),
        await api.user.put(part(api, account, "user"), json={"role": "owner"}),
        await api.user.delete(part(api, account, "viewer")),
    ):
        assert answer.status_code == 404
        assert answer.json() == {
            "error": "Account not found",
            "message": f"No account found with ID: {account['id']}",
        }


async def test_an_owner_says_who_belongs_to_it(api: Api) -> None:
    account = await make(api)
    await join(api, account, "user", "owner")
    await join(api, account, "viewer")
    assert (await api.user.put(part(api, account, "other"), json={"role": "member"})).status_code == 200
    assert (await api.user.delete(part(api, account, "viewer"))).status_code == 200
    assert await members(api.user, account) == [("other", "member"), ("user", "owner")]
    for answer in (
        await api.other.put(part(api, account, "viewer"), json={"role": "member"}),
        await api.other.delete(part(api, account, "user")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")


async def test_a_viewer_only_looks_even_as_an_owner(api: Api) -> None:
    account = await make(api)
    await join(api, account, "viewer", "owner")
    answer = await api.viewer.put(part(api, account, "other"), json={"role": "member"})
    assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")
    assert await members(api.viewer, account) == [("viewer", "owner")]


async def test_only_administrators_make_and_rename_them(api: Api) -> None:
    account = await make(api)
    await join(api, account, "user", "owner")
    for client in (api.user, api.viewer):
        for answer in (
            await client.post("/accounts", json={"name": "x"}),
            await client.put(f"/accounts/{account['id']}", json={"name": "x"}),
        ):
            assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")
    for method, path in (
        ("GET", "/accounts"),
        ("POST", "/accounts"),
        ("GET", DEFAULT),
        ("PUT", DEFAULT),
        ("GET", f"{DEFAULT}/members"),
        ("PUT", part(api, account, "user")),
        ("DELETE", part(api, account, "user")),
    ):
        assert (await api.anonymous.request(method, path)).status_code == 401


async def test_the_members_of_the_default_one_cannot_be_changed(api: Api) -> None:
    default = {"id": str(DEFAULT_ACCOUNT_ID)}
    for answer in (
        await api.admin.put(part(api, default, "user"), json={"role": "owner"}),
        await api.admin.delete(part(api, default, "user")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid account")
    answer = await api.user.put(part(api, default, "user"), json={"role": "owner"})
    assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, {"role": None}, {"role": "owner", "since": "x"}])
async def test_what_is_no_part_is_refused(api: Api, body: Json) -> None:
    account = await make(api)
    answer = await api.admin.put(part(api, account, "user"), json=body)
    assert answer.status_code == 400
    assert await members(api.admin, account) == []


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    account, nobody = await make(api), uuid4()
    here = f"/accounts/{account['id']}/members"
    checks: list[tuple[str, str, Any, str]] = [
        ("GET", f"/accounts/{nobody}", None, "Account not found"),
        ("GET", "/accounts/7", None, "Account not found"),
        ("PUT", f"/accounts/{nobody}", {"name": "x"}, "Account not found"),
        ("GET", f"/accounts/{nobody}/members", None, "Account not found"),
        ("PUT", f"/accounts/{nobody}/members/{nobody}", {"role": "owner"}, "Account not found"),
        ("DELETE", f"/accounts/{nobody}/members/{nobody}", None, "Account not found"),
        ("PUT", f"{here}/{nobody}", {"role": "owner"}, "User not found"),
        ("PUT", f"{here}/7", {"role": "owner"}, "User not found"),
        ("DELETE", f"{here}/{nobody}", None, "Member not found"),
    ]
    for method, path, body, error in checks:
        answer = await api.admin.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (404, error), path


async def test_who_is_gone_drops_out(api: Api) -> None:
    account = await make(api)
    await join(api, account, "user", "owner")
    await join(api, account, "other")
    user = api.people["user"]
    gone = Change(
        aggregate="user", aggregate_id=user.id, version=2, event=UserDeleted(before=user, version=2)
    )
    async with api.gateway.database.write() as connection:
        await api.gateway.event_store.append(connection, [gone], Context(actor="test", at=SOME_TIME))
    assert await members(api.admin, account) == [("other", "member")]
    shown = (await body_of(api.admin, "/accounts"))["accounts"]
    assert {one["name"]: one["member_count"] for one in shown} == {"Default": 3, "Research": 1}


async def test_members_that_come_at_once_are_all_there(api: Api) -> None:
    account = await make(api)
    await asyncio.gather(*(join(api, account, person) for person in PEOPLE))
    assert await members(api.admin, account) == [(person, "member") for person in PEOPLE]
    versions = [row["version"] for row in await rows_of(api.gateway.database, accounts)]
    assert sorted(versions) == [1, 1 + len(PEOPLE)]


async def test_v1_does_not_know_them(api: Api) -> None:
    assert (await api.admin.get(f"{api.app.state.origin}/api/accounts")).status_code == 404
