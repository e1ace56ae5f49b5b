"""What can go wrong, as the rest of the service and its clients know it.

    ExpensesError
    ├── ConfigurationError    the operator's settings do not fit together; the process does not start
    └── ServiceError          a request cannot be done; has a stable `code` and becomes a problem+json answer
        ├── NotFound          404
        ├── Unauthenticated   401
        ├── Forbidden         403
        ├── Conflict          409
        ├── PreconditionFailed 412
        ├── Invalid           422, carries the field it is about
        ├── TooManyRequests   429, carries how long to wait
        ├── Malformed         422 ┐
        ├── MethodNotAllowed  405 │ before any service is asked: the framework, the server
        ├── TooLarge          413 │ or nginx refuses
        ├── Crashed           500 │
        └── Unavailable       503 ┘ carries how long to wait

A noun adds its own cases by subclassing one of these and setting `code`. The first line of the docstring is what
happened, and the default message; `remedy` is what to do, which a case inherits unless it has better advice. The page
`/api/errors` lists all of them (`error_codes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExpensesError(Exception):
    """The root of all errors of this service."""


class ConfigurationError(ExpensesError):
    """The settings do not fit together."""


class ServiceError(ExpensesError):
    """The request cannot be done."""

    status: ClassVar[int] = 400
    """HTTP status of the answer."""
    code: ClassVar[str] = "bad_request"
    """What clients test for; never changes once released, and no other class has the same."""
    remedy: ClassVar[str] = "Read `detail`, change the request, and send it again."
    """What whoever sent the request can do; for the page that lists the codes."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        field: str | None = None,
        faults: Sequence[tuple[str, str]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        self.detail = detail or (self.__doc__ or "").partition("\n")[0]
        self.field = field
        self.faults = [(field, self.detail), *faults] if field else list(faults)
        """Each field that is wrong, and how."""
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class NotFound(ServiceError):
    """There is no such thing, or you may not see it."""

    status = 404
    code = "not_found"
    remedy = "Check the address. Ids of what others own, or of what is in the trash, answer the same."


class Unauthenticated(ServiceError):
    """Sign in first."""

    status = 401
    code = "unauthenticated"
    remedy = "Send `Authorization: Bearer …` with a token from `POST /api/v1/auth/token`."


class Forbidden(ServiceError):
    """Your role does not allow this."""

    status = 403
    code = "forbidden"
    remedy = "Ask somebody whose role allows it: an owner or admin of the workspace."


class Conflict(ServiceError):
    """This contradicts what is already there."""

    status = 409
    code = "conflict"
    remedy = "Load the current state, decide anew, and send another request."


class PreconditionFailed(ServiceError):
    """It was changed in the meantime; load it again."""

    status = 412
    code = "precondition_failed"
    remedy = "Load it again, apply the change to what is there now, and send that with the new `ETag`."


class Invalid(ServiceError):
    """The value cannot be used."""

    status = 422
    code = "invalid"
    remedy = "Correct the field that `errors` names."


class TooManyRequests(ServiceError):
    """Too many tries; wait a moment."""

    status = 429
    code = "too_many_requests"
    remedy = "Wait as many seconds as `Retry-After` says."


class Malformed(ServiceError):
    """The request is malformed."""

    status = 422
    code = "malformed"
    remedy = "`errors` names each field that is missing or of the wrong form; `/api/openapi.json` has the form."


class MethodNotAllowed(ServiceError):
    """This address takes another method."""

    status = 405
    code = "method_not_allowed"
    remedy = "Use one of the methods in the header `Allow`."


class TooLarge(ServiceError):
    """The request is larger than this service reads."""

    status = 413
    code = "too_large"
    remedy = "Send less at once; `detail` says how much is read."


class Crashed(ServiceError):
    """Something went wrong on our side; nothing was saved."""

    status = 500
    code = "internal"
    remedy = "Tell whoever runs the service the `X-Request-ID` of the answer: the log has the cause beside it."


class Unavailable(ServiceError):
    """The service is not reachable; try again in a moment."""

    status = 503
    code = "unavailable"
    remedy = "Wait as many seconds as `Retry-After` says, and send the request again."


class Overloaded(Unavailable):
    """More is asked of the service at this moment than it can do."""

    code = "overloaded"


class TimedOut(Unavailable):
    """This took longer than a request may take; nothing was saved."""

    code = "timed_out"
    remedy = "Ask for less at once: a shorter time, a narrower filter. If that does not help, try again later."
