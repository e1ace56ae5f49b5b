"""`@idempotent`: what a route declares so that clients may send its requests again without doing them again.

Without `from __future__ import annotations`: FastAPI reads the annotations.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, cast
from uuid import UUID

from fastapi import Header, Request, Response
from fastapi.encoders import jsonable_encoder

from expenses.accounts.model import Actor
from expenses.http import JSONAnswer
from expenses.idempotency import service
from expenses.idempotency.model import LONGEST_KEY, Answer, Claim, fingerprint_of

if TYPE_CHECKING:
    from datetime import datetime

    from expenses.db import Session

P = ParamSpec("P")
R = TypeVar("R")

REPLAYED = "Idempotency-Replayed"
"""Header of an answer that was given before."""

_KEPT_HEADERS = frozenset({"content-type", "etag", "location"})

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_KEY,
        pattern=r"^[!-~]+$",
        description="Your own name for this request, such as a UUID. Sent again within 24 hours, with the same key and "
        "body, it is answered as the first time and not done again",
        examples=["5a1e6f0c-6f5b-4a53-9a0e-0a3e6f1b7c11"],
    ),
]


def idempotent(endpoint: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let a route take the header `Idempotency-Key`. It stands below the route's own decorator.

    The route must have the parameters `session`, `actor` and `now`, answer JSON, and declare 409 among its problems.
    Not for routes whose answer holds a secret: answers are kept in the database for a day. Requests without the
    header go to the endpoint directly and cost nothing more.
    """
    signature = inspect.signature(endpoint)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, annotation, default in (
            ("request", Request, inspect.Parameter.empty),
            ("idempotency_key", IdempotencyKey, None),
        )
        if name not in signature.parameters
    ]

    @functools.wraps(endpoint)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        given = cast("dict[str, Any]", kwargs)
        key = given.pop("idempotency_key")
        request = given["request"] if "request" in signature.parameters else given.pop("request")
        if key is None:
            return await endpoint(*args, **kwargs)

        async def work() -> Answer:
            return _answer_of(await endpoint(*args, **kwargs), request)

        claim = await _claim(request, key=key, actor=given["actor"], workspace_id=given.get("workspace_id"))
        session: Session = given["session"]
        now: datetime = given["now"]
        answer, is_replay = await service.answer_once(session, claim=claim, work=work, now=now)
        return cast("R", _response(answer, is_replay=is_replay))

    parameters = [*signature.parameters.values(), *added]
    cast("Any", wrapper).__signature__ = signature.replace(parameters=parameters)
    return wrapper


async def _claim(request: Request, *, key: str, actor: Actor, workspace_id: UUID | None) -> Claim:
    address = f"{request.url.path}?{request.url.query}"
    fingerprint = fingerprint_of(request.method, address, await request.body())
    return Claim(workspace_id or actor.user_id, actor.user_id, key, fingerprint)


def _answer_of(result: object, request: Request) -> Answer:
    if isinstance(result, Response):
        response = result
    else:
        response = JSONAnswer(jsonable_encoder(result), status_code=request.scope["route"].status_code or 200)
    headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    return Answer(response.status_code, headers, bytes(response.body).decode())


def _response(answer: Answer, *, is_replay: bool) -> Response:
    headers = dict(answer.headers) | ({REPLAYED: "true"} if is_replay else {})
    return Response(answer.body, status_code=answer.status, headers=headers)
