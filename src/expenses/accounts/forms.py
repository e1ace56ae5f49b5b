"""What pages of people who are signed in declare: who it is, and what their form says.

Without `from __future__ import annotations`: FastAPI reads the annotations.
"""

from typing import Annotated

from fastapi import Depends

from expenses.accounts.auth import CSRF_FIELD, OptionalCaller, check_csrf_token
from expenses.accounts.model import Actor
from expenses.errors import Unauthenticated
from expenses.web.forms import form_fields

AnyFields = Annotated[dict[str, str], Depends(form_fields)]
"""The text fields of a form that one of our pages sent; whether its token is right is yet to be checked."""


async def _signed_in(caller: OptionalCaller) -> Actor:
    if caller is None:
        raise Unauthenticated  # `web.errors` sends people on to the sign-in page
    return caller


SignedIn = Annotated[Actor, Depends(_signed_in)]
"""Whose page this is, by the session's cookie alone: pages know no API tokens."""


async def _submitted(actor: SignedIn, fields: AnyFields) -> dict[str, str]:
    check_csrf_token(actor, fields.get(CSRF_FIELD))
    return fields


Fields = Annotated[dict[str, str], Depends(_submitted)]
"""The text fields of a form that one of our pages sent for whoever is signed in now; anything else is refused."""
