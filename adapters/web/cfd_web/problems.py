"""Errors as the API tells them: one JSON form, a code for programs and a sentence for people."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cfd_web.desk import DeskError, NotKnown, Refused, Unavailable
from cfd_web.models import Problem

log = structlog.get_logger()

RETRY_SECONDS: Final = 5


class ApiProblem(Exception):
    """A problem as a status of HTTP."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def response(self) -> Response:
        return Response(
            Problem(code=self.code, message=self.message).model_dump_json(),
            self.status,
            self.headers,
            "application/json",
        )


def of_desk(error: DeskError) -> ApiProblem:
    """What the desk refused, as the API says it."""
    match error:
        case NotKnown():
            return ApiProblem(404, "not_known", str(error))
        case Refused():
            return ApiProblem(409, "refused", str(error))
        case Unavailable():
            return ApiProblem(503, "unavailable", str(error), {"Retry-After": str(RETRY_SECONDS)})
        case _:
            return ApiProblem(409, "refused", str(error))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's description: which problems it may answer with."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses}


def handle_problems(app: FastAPI, routes: Sequence[APIRoute]) -> None:
    """Let nothing leave the app in another form."""

    @app.exception_handler(ApiProblem)
    async def _problem(_request: Request, error: ApiProblem) -> Response:
        return error.response()

    @app.exception_handler(DeskError)
    async def _desk(_request: Request, error: DeskError) -> Response:
        return of_desk(error).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        if [(found["type"], found["loc"]) for found in error.errors()] == [("value_error", ("body",))]:
            # every field is what it should be; together they make no sense
            return ApiProblem(409, "refused", error.errors()[0]["msg"].removeprefix("Value error, ")).response()
        return ApiProblem(422, "invalid_request", _sentence(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the router names the first route's methods only
            headers["Allow"] = ", ".join(sorted(_methods(routes, request.scope["path"])))
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return ApiProblem(error.status_code, code, f"{error.detail}.", headers).response()

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        log.error("the API failed", method=request.method, path=request.url.path, exc_info=error)
        return ApiProblem(500, "internal_error", "This is a fault of the node; its log says more.").response()


def nothing_else(routes: Sequence[APIRoute]) -> ASGIApp:
    """For what no route takes, so that it does not fall through to whatever is mounted behind: 405 or 404."""

    async def refuse(scope: Scope, _receive: Receive, _send: Send) -> None:
        raise HTTPException(405 if _methods(routes, scope["path"]) else 404)

    return refuse


def _methods(routes: Sequence[APIRoute], path: str) -> set[str]:
    return set().union(*(route.methods or () for route in routes if route.path_regex.match(path)))


def _sentence(errors: Sequence[Any]) -> str:
    """The first few complaints: where, and what. What was sent is not repeated: it may be secret."""
    told = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in errors[:3]]
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return f"{'; '.join(told)}{more}"[:500]
