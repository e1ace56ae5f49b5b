"""What guards an account, for whoever is signed in to it: password, name and address, second factor."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from expenses.accounts import factor_service, profile_service
from expenses.accounts.auth import Administrator, Caller
from expenses.accounts.model import NAME_MAX_LENGTH, PASSWORD_MAX_BYTES, PASSWORD_MIN_LENGTH
from expenses.http import Now, SessionDep
from expenses.openapi import operation_id, problems

router = APIRouter(prefix="/api/v1/me", tags=["accounts"], generate_unique_id_function=operation_id)

Password = Annotated[str, Field(repr=False, description="Your present password")]
Code = Annotated[
    str, Field(repr=False, max_length=64, description="What the authenticator app shows", examples=["287082"])
]


class ProfilePatch(BaseModel):
    """What to change about the account; what is left out stays."""

    display_name: Annotated[str | None, Field(description=f"At most {NAME_MAX_LENGTH} characters")] = None
    email: Annotated[str | None, Field(description="Needs `password`", examples=["anna@example.org"])] = None
    password: Annotated[str | None, Field(repr=False, description="Your present password")] = None


class Profile(BaseModel):
    """An account as its owner sees it."""

    id: UUID
    email: str
    display_name: str


class PasswordChange(BaseModel):
    """Another password."""

    old_password: Password
    new_password: Annotated[
        str,
        Field(repr=False, description=f"At least {PASSWORD_MIN_LENGTH} characters, at most {PASSWORD_MAX_BYTES} bytes"),
    ]
    keep_tokens: Annotated[
        bool, Field(description="Leave API tokens as they are; else all end, except that of this request")
    ] = False


class PasswordProof(BaseModel):
    """The password once more."""

    password: Password


class CodeProof(BaseModel):
    """A code of the app that was just set up."""

    code: Code


class FullProof(PasswordProof):
    """The password and a code once more; a recovery code will do."""

    code: Code


class FactorOut(BaseModel):
    """The state of the second factor."""

    is_on: bool
    enabled_at: datetime | None
    recovery_codes_left: int


class NewFactorOut(BaseModel):
    """A secret for an authenticator app; it can be read only here, and counts once a code of it was sent."""

    secret: Annotated[str, Field(repr=False, description="Base32, to type in")]
    otpauth_url: Annotated[str, Field(repr=False, description="To show as a QR code")]


class RecoveryCodes(BaseModel):
    """Codes that each stand in for the app once; they can be read only here."""

    recovery_codes: Annotated[list[str], Field(repr=False, examples=[["abcd-efgh-ijkl-mnop"]])]


@router.patch("", summary="Change your name or address", responses=problems(401, 403, 409, 429, 503))
async def change_profile(patch: ProfilePatch, actor: Administrator, session: SessionDep, now: Now) -> Profile:
    user = await profile_service.change_profile(
        session,
        actor=actor,
        display_name=patch.display_name,
        email=patch.email,
        password=patch.password,
        now=now,
    )
    return Profile.model_validate(user, from_attributes=True)


@router.post(
    "/password",
    summary="Change your password and sign all your other browsers out",
    status_code=204,
    responses=problems(401, 403, 429, 503),
)
async def change_password(change: PasswordChange, actor: Administrator, session: SessionDep, now: Now) -> None:
    await profile_service.change_password(
        session,
        actor=actor,
        old=change.old_password,
        new=change.new_password,
        keep_tokens=change.keep_tokens,
        now=now,
    )


@router.get("/second-factor", summary="Whether your second factor is on", responses=problems(401, 403))
async def show_second_factor(actor: Caller, session: SessionDep) -> FactorOut:
    found = await factor_service.status(session, actor=actor)
    return FactorOut(
        is_on=found.enabled_at is not None,
        enabled_at=found.enabled_at,
        recovery_codes_left=found.recovery_codes_left,
    )


@router.post(
    "/second-factor",
    summary="Begin to set up a second factor",
    status_code=201,
    responses=problems(401, 403, 409, 429, 503),
)
async def begin_second_factor(
    proof: PasswordProof, actor: Administrator, response: Response, session: SessionDep, now: Now
) -> NewFactorOut:
    new = await factor_service.begin(session, actor=actor, password=proof.password, now=now)
    response.headers["Cache-Control"] = "no-store"
    return NewFactorOut(secret=new.secret, otpauth_url=new.address)


@router.post(
    "/second-factor/enable",
    summary="Turn the second factor on with its first code",
    responses=problems(401, 403, 409, 429),
)
async def enable_second_factor(
    proof: CodeProof, actor: Administrator, response: Response, session: SessionDep, now: Now
) -> RecoveryCodes:
    codes = await factor_service.enable(session, actor=actor, code=proof.code, now=now)
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodes(recovery_codes=codes)


@router.post(
    "/second-factor/disable",
    summary="Turn the second factor off",
    status_code=204,
    responses=problems(401, 403, 409, 429, 503),
)
async def disable_second_factor(proof: FullProof, actor: Administrator, session: SessionDep, now: Now) -> None:
    await factor_service.disable(session, actor=actor, password=proof.password, code=proof.code, now=now)


@router.post(
    "/second-factor/recovery-codes",
    summary="Make new recovery codes in place of the old",
    responses=problems(401, 403, 409, 429, 503),
)
async def renew_recovery_codes(
    proof: FullProof, actor: Administrator, response: Response, session: SessionDep, now: Now
) -> RecoveryCodes:
    codes = await factor_service.renew_recovery_codes(
        session, actor=actor, password=proof.password, code=proof.code, now=now
    )
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodes(recovery_codes=codes)
