"""Signing in and out. Registration is in `workspaces.pages`: it makes an account and a workspace."""

from datetime import datetime

from fastapi import APIRouter, Request, Response

from expenses.accounts import service
from expenses.accounts.auth import (
    CSRF_FIELD,
    OptionalCaller,
    check_csrf_token,
    clear_session_cookie,
    client_address,
    client_device,
    session_cookie,
    set_session_cookie,
)
from expenses.accounts.factors import SecondFactorRequired, SignInExpired
from expenses.accounts.forms import AnyFields
from expenses.accounts.model import NewSession
from expenses.db import Session
from expenses.errors import ServiceError
from expenses.http import Now, SessionDep
from expenses.web.csrf import check_form_token, form_token, keep_form_token
from expenses.web.page import is_own_path, page, see_other

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request, caller: OptionalCaller, next: str = "/") -> Response:  # noqa: A002 - the address says `next`
    if caller is not None:
        return see_other(next if is_own_path(next) else "/")
    return _form(request, {"next": next})


@router.post("/sign-in")
async def sign_in(request: Request, session: SessionDep, now: Now, fields: AnyFields) -> Response:
    check_form_token(request, fields)
    target = fields.get("next", "/")
    try:
        return await signed_in(request, session, fields=fields, target=target, now=now)
    except SecondFactorRequired as asked:
        return _code_form(request, {"next": target, "step": asked.step_token or ""})
    except ServiceError as error:
        return _form(request, fields, error=error)


@router.get("/sign-in/code")
async def no_code_page() -> Response:
    return see_other("/sign-in")  # the form for the code is an answer to the password; by itself it is nothing


@router.post("/sign-in/code")
async def finish_sign_in(request: Request, session: SessionDep, now: Now, fields: AnyFields) -> Response:
    check_form_token(request, fields)
    code = fields.get("code", "").strip() or fields.get("recovery_code", "")
    try:
        new = await service.finish_sign_in(
            session, step_token=fields.get("step", ""), code=code, device=client_device(request), now=now
        )
    except SignInExpired as error:
        return _form(request, {"next": fields.get("next", "/")}, error=error)
    except ServiceError as error:
        return _code_form(request, fields, error=error)
    return _with_session(request, new, target=fields.get("next", "/"), now=now)


@router.post("/sign-out")
async def sign_out(
    request: Request,
    session: SessionDep,
    now: Now,
    caller: OptionalCaller,
    fields: AnyFields,
) -> Response:
    if caller is not None:
        check_csrf_token(caller, fields.get(CSRF_FIELD))
        await service.sign_out(session, token=session_cookie(request) or "", now=now)
    response = see_other("/sign-in")
    clear_session_cookie(request, response)
    return response


async def signed_in(
    request: Request, session: Session, *, fields: dict[str, str], target: str, now: datetime
) -> Response:
    """The redirect of a browser that is signed in from now on; raises what `service.sign_in` raises."""
    new = await service.sign_in(
        session,
        email=fields.get("email", ""),
        password=fields.get("password", ""),
        client_address=client_address(request),
        device=client_device(request),
        now=now,
    )
    return _with_session(request, new, target=target, now=now)


def _with_session(request: Request, new: NewSession, *, target: str, now: datetime) -> Response:
    response = see_other(target if is_own_path(target) else "/")
    set_session_cookie(request, response, new=new, now=now)
    return response


def _form(request: Request, fields: dict[str, str], *, error: ServiceError | None = None) -> Response:
    form = {"email": fields.get("email", "")}
    return _page(request, "accounts/sign_in.html", error, form=form, next=fields.get("next", "/"))


def _code_form(request: Request, fields: dict[str, str], *, error: ServiceError | None = None) -> Response:
    """Asks for the code; the form carries the proof that the password was right, so nothing else has to keep it."""
    return _page(
        request, "accounts/sign_in_code.html", error, step=fields.get("step", ""), next=fields.get("next", "/")
    )


def _page(request: Request, template: str, error: ServiceError | None, **context: object) -> Response:
    token = form_token(request)
    response = page(
        request,
        template,
        status=error.status if error else 200,
        errors={error.field or "form": error.detail} if error else {},
        csrf_token=token,
        **context,
    )
    if error and error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    keep_form_token(request, response, token)
    return response
