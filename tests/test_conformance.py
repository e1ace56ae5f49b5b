"""Whatever is sent to the API, its answer is one that its description has: no crash, no undescribed status or body.

Schemathesis makes the requests up from `/api/openapi.json`, good ones and bad ones, for each operation as somebody who
has just signed up and owns a workspace with something in it. `API_EXAMPLES` says how many of each kind, always
from the same seed; with some hundred it is a search, not a check.
"""

from __future__ import annotations

import asyncio
import copy
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import httpx
import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks
from tests.people import People

from expenses.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import APIOperation, Case
    from tests.people import Person

    from expenses.config import Settings

pytestmark = pytest.mark.api

EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))

LONGEST_S = 45 * max(1, EXAMPLES / 8)
"""Seconds of this process, which is client and server, for one of the two kinds. A run that has not come to every
operation by then fails."""

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]

BODY = {"spent_on": "2026-11-01", "amount": {"value": "12.50", "currency": "EUR"}, "merchant": "Corner Bakery"}


class Server:
    """The service on a port of its own, in a thread with its own event loop."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings.model_copy(update={"rate_limit": 0}))
        config = uvicorn.Config(self.app, port=0, log_config=None, lifespan="on")
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._server.serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it answers."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def sign_up(self) -> Person:
        """Somebody new."""
        return asyncio.run_coroutine_threadsafe(People(self.app).sign_up(), self._loop).result()


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with Server(settings) as running:
        yield running


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_description_has(server: Server, mode: GenerationMode) -> None:
    schema: Any = schemathesis.openapi.from_dict(server.app.openapi())
    ends_at = time.process_time() + LONGEST_S
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(methods) for methods in server.app.openapi()["paths"].values())
    failures = []
    for operation in operations:
        assert time.process_time() < ends_at, f"{operation.label} was not reached"
        try:
            try_out(server, operation, mode)
        except Exception as exc:  # noqa: BLE001 - each kind of finding; all of them are told at the end
            failures.append(f"{operation.label} ({mode.value}): {told(exc)}")
    assert failures == [], "\n\n".join(failures)


def test_an_answer_that_the_description_lacks_is_found(server: Server) -> None:
    description = copy.deepcopy(server.app.openapi())
    path = "/api/v1/workspaces/{workspace_id}/expenses/{expense_id}"
    del description["paths"][path]["get"]["responses"]["404"]
    schema: Any = schemathesis.openapi.from_dict(description)
    operation = schema[path]["GET"]
    with pytest.raises(BaseException) as found:  # noqa: PT011 - Schemathesis raises a group of what it has found
        try_out(server, operation, GenerationMode.POSITIVE)
    assert "Undocumented status code" in told(found.value)


def try_out(server: Server, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    """Send what Schemathesis makes up for one operation, as a new person. Raises what is wrong with an answer."""
    anna = server.sign_up()
    ids = things_of(server, anna, operation.path)

    @hypothesis.seed(20261122)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=strategy_of(operation, mode), is_real=hypothesis.strategies.booleans())
    def send(case: Case[Any], *, is_real: bool) -> None:
        names = ids if is_real else {"workspace_id": ids["workspace_id"]}
        case.path_parameters.update({name: names[name] for name in case.path_parameters if name in names})
        headers = anna.headers if operation.definition.raw.get("security") else {}
        case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS, timeout=20)

    send()


def strategy_of(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> Any:  # noqa: ANN401 - untyped there
    """Requests of this kind; good ones where there can be no bad ones."""
    has_input = operation.body or operation.query or operation.headers or operation.path_parameters
    return operation.as_strategy(generation_mode=mode if has_input else GenerationMode.POSITIVE)


THINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "expense_id": ("expenses", BODY),
    "category_id": ("categories", {"name": "Food"}),
    "account_id": ("payment-accounts", {"name": "Card"}),
    "invitation_id": ("invitations", {}),
    "token_id": ("/api/v1/me/tokens", {"name": "Backup"}),
}
"""How to make what a path can name: where to post what. A settlement needs a second person, so there is none."""

KNOWN = {"base": "EUR", "quote": "USD", "on": "2026-11-20"}
"""Names of what needs not be made."""


def things_of(server: Server, anna: Person, path: str) -> dict[str, str]:
    """What there is for the names in this path, so that not every answer is 404."""
    found = {"workspace_id": str(anna.workspace.id), "user_id": str(anna.user.id), **KNOWN}
    with httpx.Client(base_url=f"{server.url}{anna.url}/", headers=anna.headers) as client:
        for name, (where, body) in THINGS.items():
            if f"{{{name}}}" in path:
                url = f"{server.url}{where}" if where.startswith("/") else where
                found[name] = client.post(url, json=body).raise_for_status().json()["id"]
    return found


def told(exc: BaseException) -> str:
    """What Schemathesis has found, and the request that shows it."""
    inner = getattr(exc, "exceptions", None)
    return "\n".join(told(each) for each in inner) if inner else f"{type(exc).__name__}: {exc}"[:1500]
