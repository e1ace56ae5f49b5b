"""Making an account, and the way from `/` to a workspace."""

from fastapi import APIRouter, Depends, Request, Response

from expenses.accounts.auth import client_address, require_open_registration
from expenses.accounts.forms import AnyFields, SignedIn
from expenses.accounts.model import PASSWORD_MIN_LENGTH
from expenses.accounts.pages import signed_in
from expenses.errors import ServiceError
from expenses.http import Now, SessionDep
from expenses.web.csrf import check_form_token, form_token, keep_form_token
from expenses.web.page import page, see_other
from expenses.workspaces import service

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request, session: SessionDep, actor: SignedIn) -> Response:
    memberships = await service.list_memberships(session, actor=actor)
    if len(memberships) == 1:
        return see_other(f"/w/{memberships[0].workspace.id}/")
    return page(request, "workspaces/choose.html", actor=actor, memberships=memberships)


@router.get("/workspaces")
async def choose(request: Request, session: SessionDep, actor: SignedIn) -> Response:
    memberships = await service.list_memberships(session, actor=actor)
    return page(request, "workspaces/choose.html", actor=actor, memberships=memberships)


@router.get("/register")
async def register_page(request: Request) -> Response:
    return _form(request, {})


@router.post("/register", dependencies=[Depends(require_open_registration)])
async def register(request: Request, session: SessionDep, now: Now, fields: AnyFields) -> Response:
    check_form_token(request, fields)
    try:
        _, membership = await service.sign_up(
            session,
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            display_name=fields.get("display_name", "").strip() or None,
            client_address=client_address(request),
            now=now,
        )
        return await signed_in(request, session, fields=fields, target=f"/w/{membership.workspace.id}/", now=now)
    except ServiceError as error:
        return _form(request, fields, error=error)


def _form(request: Request, fields: dict[str, str], *, error: ServiceError | None = None) -> Response:
    token = form_token(request)
    response = page(
        request,
        "workspaces/register.html",
        status=error.status if error else 200,
        errors={error.field or "form": error.detail} if error else {},
        form={name: fields.get(name, "") for name in ("display_name", "email")},
        is_open=request.app.state.settings.registration == "open",
        password_min_length=PASSWORD_MIN_LENGTH,
        csrf_token=token,
    )
    keep_form_token(request, response, token)
    return response
