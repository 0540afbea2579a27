from tests.fixtures.gateway import Api
import pytest


@pytest.mark.parametrize("n", range(10))
async def test_x(api: Api, n: int) -> None:
    print((await api.anonymous.get("/health")).json())
    print(await api.create_job())
