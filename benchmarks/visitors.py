"""People who use a server that is measured: with a token and with a browser's session, over one kept connection."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.parse
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "correct horse battery staple"  # noqa: S105 - of an account that lives for a minute
_KEPT_S = 3.0
"""uvicorn closes a connection after 5 s without a request."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}


class Visitor:
    """Somebody who has registered at the server of this address, and has a workspace of their own."""

    def __init__(self, address: str, email: str) -> None:
        netloc = urllib.parse.urlsplit(address).netloc
        self._connection = http.client.HTTPConnection(netloc, timeout=120)
        self._used = 0.0
        self._headers: dict[str, str] = {}
        account = {"email": email, "password": PASSWORD}
        self.home: str = self.post("/api/v1/auth/register", account)["workspace"]["id"]
        cookies = self._signed_in(email)
        asked = urllib.parse.urlencode({"username": email, "password": PASSWORD, "grant_type": "password"})
        self.token: str = json.loads(self._send("POST", "/api/v1/auth/token", asked, _FORM)[1])["access_token"]
        self._headers = {"Authorization": f"Bearer {self.token}", "Cookie": cookies}
        self.id: str = json.loads(self.get("/api/v1/me")[1])["id"]

    def get(self, path: str) -> tuple[float, str]:
        """How long it took to the last byte of the answer, in seconds, and the answer."""
        began = time.perf_counter()
        body = self._send("GET", path, None, {})[1]
        return time.perf_counter() - began, body

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer to some JSON."""
        return dict(json.loads(self._send("POST", path, json.dumps(body), _JSON)[1]))

    def _signed_in(self, email: str) -> str:
        """The cookies of a browser that has filled in the page's form."""
        answer, page = self._send("GET", "/sign-in", None, {})
        form = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert form, "the page for signing in has no form"
        said = {"email": email, "password": PASSWORD, "csrf_token": form[1]}
        cookies = _cookies(answer)
        answer, _ = self._send("POST", "/sign-in", urllib.parse.urlencode(said), _FORM | {"Cookie": cookies})
        return _cookies(answer)

    def _send(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        if time.monotonic() - self._used > _KEPT_S:
            self._connection.close()  # the next request opens it anew
        self._connection.request(method, path, body, self._headers | dict(headers))
        answer = self._connection.getresponse()
        self._used = time.monotonic()
        said = answer.read().decode()
        assert answer.status < 400, f"{method} {path} was answered by {answer.status}: {said[:300]}"
        return answer, said


def _cookies(answer: http.client.HTTPResponse) -> str:
    found = SimpleCookie[str]()
    for header in answer.headers.get_all("Set-Cookie") or []:
        found.load(header)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in found.items())
