"""Whatever is sent: nothing breaks, every answer is one that the description promises, and who may only look changes nothing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from services.gateway.store.tables import events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api

EXAMPLES = 5
"""Per operation and way of making requests; raise it to look deeper."""
# Rules that no schema can tell (an unknown team, a name that is taken) refuse what the schema allows.
CHECKS_LEFT_OUT = "positive_data_acceptance"
NEEDS_A_BUS = r"/jobs/test-run$"
"""Answers 503 here, as documented: there is no executor to ask."""
SAME_AS_V2 = (
    r"^/api/(?!v2/|auth/(refresh|me)$|jobs$|jobs/\{job_id\}$|jobs/\{job_id\}/executions/\{execution_id\}$)"
)
"""Of the older contract only what it has of its own: the rest are the same routes."""

# It learns ids from answers: were it to change its own password or role, every request behind that would be a 401.
SPARES_ITSELF = """
import os
import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path_parameters and case.path_parameters.get("user_id") == os.environ["OWN_ID"]:
        case.path_parameters["user_id"] = str(uuid.uuid4())
"""


async def send_everything(api: Api, person: str, directory: Path) -> tuple[int, str]:
    """Make requests of all kinds from the API's description; returns the exit code and the report."""
    token = getattr(api, person).headers["Authorization"].removeprefix("Bearer ")
    hooks = directory / "hooks.py"
    hooks.write_text(SPARES_ITSELF, encoding="utf-8")
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(hooks), "OWN_ID": str(api.people[person].id)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.app.state.origin}/api/v2/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--checks", "all", "--exclude-checks", CHECKS_LEFT_OUT),
        *("--exclude-path-regex", f"{NEEDS_A_BUS}|{SAME_AS_V2}"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "2", "--no-color"),
        *("--request-timeout", "20", "--suppress-health-check", "all"),
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


@pytest.mark.timeout(600)
# Each takes a minute or two: between them they see both roles and both databases.
@pytest.mark.parametrize(
    ("person", "database_kind"), [("admin", "postgres"), ("viewer", "sqlite")], indirect=["database_kind"]
)
async def test_every_answer_is_one_that_the_description_promises(
    api: Api, person: str, tmp_path: Path
) -> None:
    before = await rows_of(api.gateway.database, events)
    code, report = await send_everything(api, person, tmp_path)
    assert code == 0, report
    if person == "viewer":
        known = {row["id"] for row in before}
        changed = [row for row in await rows_of(api.gateway.database, events) if row["id"] not in known]
        own = {api.people[person].id}
        assert [row["type"] for row in changed if row["aggregate_id"] not in own] == []
