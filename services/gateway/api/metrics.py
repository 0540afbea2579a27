"""Metrics for Prometheus: outside of both contracts, at the path where everybody looks for them."""

from hmac import compare_digest
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.api.dependencies import ThisGateway, gateway_of
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Allowed, BearerToken, password_flow
from services.gateway.domain.actor import Role
from services.gateway.metrics import CONTENT_TYPE
from shared.errors import Unauthenticated

router = APIRouter(tags=["Operations"])

EXAMPLE = "# HELP jetcron_bus_connected Whether NATS can be reached\njetcron_bus_connected 1.0\n"


class Scraper(Allowed):
    """Whoever has the token that METRICS_TOKEN names; where it names none, administrators."""

    def __init__(self) -> None:
        super().__init__(Role.ADMIN)

    async def __call__(  # type: ignore[override] # whoever has that token is nobody who has an account
        self, request: Request, token: BearerToken, same: Annotated[str | None, Depends(password_flow)]
    ) -> None:
        """Raises `Unauthenticated` or `Forbidden`."""
        expected = gateway_of(request).settings.metrics_token
        if expected is None:
            await super().__call__(request, token, same)
            return
        given = token.credentials if token is not None else ""
        if not compare_digest(given.encode(), expected.get_secret_value().encode()):
            raise Unauthenticated("Send METRICS_TOKEN in the header `Authorization: Bearer <token>`")


@router.get(
    "/metrics",
    dependencies=[Depends(Scraper())],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}},
        **error_responses(401, 403),
    },
)
async def metrics(gateway: ThisGateway) -> Response:
    """What this gateway counts and sees, in Prometheus's text format."""
    return Response(await gateway.metrics.text(), media_type=CONTENT_TYPE)
