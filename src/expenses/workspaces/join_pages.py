"""The page behind an invitation's link: what it is to, and the way in, for people with and without an account."""

from fastapi import APIRouter, Request, Response

from expenses.accounts.auth import OptionalCaller, client_address
from expenses.accounts.forms import AnyFields, Fields, SignedIn
from expenses.accounts.model import PASSWORD_MIN_LENGTH, Actor
from expenses.accounts.pages import signed_in
from expenses.errors import ServiceError
from expenses.http import Now, SessionDep
from expenses.web import flash
from expenses.web.csrf import check_form_token, form_token, keep_form_token
from expenses.web.page import page, see_other
from expenses.workspaces import invitation_service as service
from expenses.workspaces.links import JOIN, join_path
from expenses.workspaces.model import AlreadyMember, InvalidInvitation, Preview

router = APIRouter(prefix=JOIN, include_in_schema=False)


@router.get("")
async def join_page(
    request: Request, session: SessionDep, now: Now, actor: OptionalCaller, token: str = ""
) -> Response:
    seen = await service.preview(session, token=token, now=now)
    return _page(request, actor, seen, token, {})


@router.post("")
async def join(request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields) -> Response:
    token = fields.get("token", "")
    try:
        joined = await service.accept(session, actor=actor, token=token, now=now)
    except AlreadyMember:
        return see_other("/workspaces")
    response = see_other(f"/w/{joined.workspace.id}/members")
    done = flash.Done("joined", joined.workspace.id)
    flash.remember(request, response, path=f"/w/{joined.workspace.id}", done=done)
    return response


@router.post("/register")
async def register(request: Request, session: SessionDep, now: Now, fields: AnyFields) -> Response:
    check_form_token(request, fields)
    token = fields.get("token", "")
    seen = await service.preview(session, token=token, now=now)
    try:
        _, joined = await service.sign_up_invited(
            session,
            token=token,
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            display_name=fields.get("display_name", "").strip() or None,
            client_address=client_address(request),
            now=now,
        )
    except InvalidInvitation:  # somebody was faster
        raise
    except ServiceError as error:
        return _page(request, None, seen, token, fields, error=error)
    target = f"/w/{joined.workspace.id}/"
    try:
        return await signed_in(request, session, fields=fields, target=target, now=now)
    except ServiceError:  # the account is made and the invitation used: only signing in is left to repeat
        return see_other(f"/sign-in?next={target}")


def _page(
    request: Request,
    actor: Actor | None,
    seen: Preview,
    token: str,
    fields: dict[str, str],
    *,
    error: ServiceError | None = None,
) -> Response:
    csrf_token = form_token(request)
    response = page(
        request,
        "workspaces/join.html",
        status=error.status if error else 200,
        actor=actor,
        seen=seen,
        token=token,
        back=join_path(token),
        errors={error.field or "form": error.detail} if error else {},
        form={name: fields.get(name, "") for name in ("display_name", "email")},
        password_min_length=PASSWORD_MIN_LENGTH,
        csrf_token=csrf_token,
    )
    keep_form_token(request, response, csrf_token)
    return response
