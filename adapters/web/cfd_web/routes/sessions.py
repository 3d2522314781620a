"""Signing a browser in and out."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from cfd_web.access import SESSION_SECONDS, Doorkeeper, Session
from cfd_web.gate import SIGN_IN
from cfd_web.models import Model
from cfd_web.models.fields import Time
from cfd_web.problems import ApiProblem, documented


class SignIn(Model):
    """The token that the node showed at its start."""

    token: Annotated[str, Field(min_length=1, max_length=500, repr=False)]


class SignedIn(Model):
    """What a page must send in the header `X-CSRF-Token` with all that changes something."""

    csrf: Annotated[str, Field(repr=False)]
    expires: Time


def session_routes(doorkeeper: Doorkeeper) -> APIRouter:
    """Sign in, look, sign out."""
    routes = APIRouter(tags=["session"])

    @routes.post(SIGN_IN, responses=documented(401))
    async def sign_in(sign_in: SignIn, request: Request, response: Response) -> SignedIn:
        """Exchange the token for a cookie that scripts cannot read and other sites cannot send."""
        if not doorkeeper.knows(sign_in.token):
            raise ApiProblem(401, "not_authorized", "This is not the node's token.")
        session = doorkeeper.begin()
        response.set_cookie(
            doorkeeper.cookie,
            session.value,
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return SignedIn(csrf=session.csrf, expires=session.expires)

    @routes.get(SIGN_IN, responses=documented(404))
    async def session(request: Request) -> SignedIn:
        """The present session, for a page that was loaded anew."""
        found = _of(request)
        return SignedIn(csrf=found.csrf, expires=found.expires)

    @routes.delete(SIGN_IN, status_code=204, responses=documented(404))
    async def sign_out(request: Request, response: Response) -> None:
        """End the session and delete its cookie."""
        doorkeeper.end(_of(request))
        response.delete_cookie(doorkeeper.cookie, path="/", httponly=True, samesite="strict")

    return routes


def _of(request: Request) -> Session:
    found = request.state.session
    if not isinstance(found, Session):
        raise ApiProblem(404, "no_session", "You came with the token, not with a session.")
    return found
