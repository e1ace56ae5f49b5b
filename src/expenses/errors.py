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
        └── TooManyRequests   429, carries how long to wait

A noun adds its own cases by subclassing one of these and setting `code`. The class docstring is the default message.
"""

from __future__ import annotations

from typing import ClassVar


class ExpensesError(Exception):
    """The root of all errors of this service."""


class ConfigurationError(ExpensesError):
    """The settings do not fit together."""


class ServiceError(ExpensesError):
    """The request cannot be done."""

    status: ClassVar[int] = 400
    """HTTP status of the answer."""
    code: ClassVar[str] = "bad_request"
    """What clients test for; never changes once released."""

    def __init__(
        self, detail: str | None = None, *, field: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self.detail = detail or (self.__doc__ or "").partition("\n")[0]
        self.field = field
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class NotFound(ServiceError):
    """There is no such thing, or you may not see it."""

    status = 404
    code = "not_found"


class Unauthenticated(ServiceError):
    """Sign in first."""

    status = 401
    code = "unauthenticated"


class Forbidden(ServiceError):
    """Your role does not allow this."""

    status = 403
    code = "forbidden"


class Conflict(ServiceError):
    """This contradicts what is already there."""

    status = 409
    code = "conflict"


class PreconditionFailed(ServiceError):
    """It was changed in the meantime; load it again."""

    status = 412
    code = "precondition_failed"


class Invalid(ServiceError):
    """The value cannot be used."""

    status = 422
    code = "invalid"


class TooManyRequests(ServiceError):
    """Too many tries; wait a moment."""

    status = 429
    code = "too_many_requests"
