"""Signing in and out, and the person's own settings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from capabilities.kernel.business import Business, all_businesses
from capabilities.kernel.database import transaction
from capabilities.kernel.settings import settings
from web.access.contract import Language, OperatorSeen, SignedIn, SignIn, SignInRefusal, Theme
from web.access.queries import demo_people
from web.access.service import current_session, set_preferences, sign_in, sign_in_demo, sign_out
from web.console.edge import ConsoleRoute
from web.console.pages import bare_page, go
from web.console.texts import N_
from web.console.visit import (
    VISITOR_COOKIE,
    SignInNeededError,
    cookie_name,
    cookie_options,
    refuse_forgery,
    visible_businesses,
)

router = APIRouter(route_class=ConsoleRoute)

REFUSALS = {
    SignInRefusal.WRONG: N_("Name and password do not fit together."),
    SignInRefusal.THROTTLED: N_("Too many attempts. Wait a quarter of an hour, then try again."),
}
ROLE_ORDER = {"editor": 0, "approver": 1, "operator": 2, "admin": 3, "auditor": 4}


@dataclass(frozen=True, slots=True)
class SignInPage:
    """What the sign-in page shows; `demo_accounts` is empty outside demo mode."""

    email: str
    to: str
    refusal: str | None
    demo_accounts: tuple[OperatorSeen, ...]


@router.get("/console/sign-in", name="sign_in_page")
def sign_in_page(request: Request, to: Annotated[str, Query(alias="next")] = "/console") -> Response:
    return _page(request, "", safe_target(to), None)


@router.post("/console/sign-in", name="sign_in")
def sign_in_post(request: Request) -> Response:
    form = request.state.form
    refuse_forgery(request, request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe())
    email, password = str(form.get("email", ""))[:200], str(form.get("password", ""))[:200]
    to = safe_target(str(form.get("next", "")))
    address = request.client.host if request.client else "unknown"
    with transaction() as session:
        result = sign_in(session, SignIn(email=email, password=password, address=address))
    if isinstance(result, SignedIn):
        return _signed_in(result, to)
    return _page(request, email, to, result)


@router.post("/console/sign-in/demo", name="sign_in_demo")
def sign_in_demo_post(request: Request) -> Response:
    refuse_forgery(request, request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe())
    if not settings().demo:
        raise SignInNeededError
    with transaction() as session:
        result = sign_in_demo(session, str(request.state.form.get("operator", "")))
    return _signed_in(result, safe_target(str(request.state.form.get("next", ""))))


@router.post("/console/sign-out", name="sign_out")
def sign_out_post(request: Request) -> Response:
    token = _own_session(request)
    with transaction() as session:
        sign_out(session, token)
    answer = RedirectResponse("/console/sign-in", status_code=303)
    answer.delete_cookie(cookie_name(), **cookie_options())
    return answer


@router.post("/console/preferences", name="preferences")
def preferences(request: Request) -> Response:
    token = _own_session(request)
    form = request.state.form
    language, theme = str(form.get("language", "")), str(form.get("theme", ""))
    with transaction() as session:
        current = current_session(session, token)
        if current is None:
            raise SignInNeededError
        set_preferences(
            session,
            current.operator.id,
            language=Language(language) if language in Language.__members__.values() else None,
            theme=Theme(theme) if theme in Theme.__members__.values() else None,
        )
    return go(None, safe_target(str(form.get("back", ""))))


@router.get("/console", name="console")
def console(request: Request) -> Response:
    """Where the person was last; the first time in the line of business that exists longest."""
    operator, seen = who(request)
    if not seen:
        raise SignInNeededError
    codes = [one.business for one in sorted(seen, key=lambda one: one.created_at)]
    here = operator.last_business if operator.last_business in codes else codes[0]
    return RedirectResponse(f"/console/{here}/today", status_code=303)


def who(request: Request) -> tuple[OperatorSeen, list[Business]]:
    """The person of the request and their lines of business."""
    token = request.cookies.get(cookie_name())
    with transaction() as session:
        current = current_session(session, token) if token else None
        if current is None:
            raise SignInNeededError
        return current.operator, visible_businesses(current.operator, all_businesses(session))


def safe_target(to: str) -> str:
    """Only our own pages: never a redirect elsewhere."""
    return to if to.startswith("/console") and "\\" not in to and "//" not in to else "/console"


def _own_session(request: Request) -> str:
    token = request.cookies.get(cookie_name())
    with transaction() as session:
        current = current_session(session, token) if token else None
    if current is None or token is None:
        raise SignInNeededError
    refuse_forgery(request, current.csrf_token)
    return token


def _signed_in(result: SignedIn, to: str) -> Response:
    answer = go(None, to)
    answer.set_cookie(cookie_name(), result.token, max_age=12 * 3600, **cookie_options())
    answer.delete_cookie(VISITOR_COOKIE, **cookie_options())
    return answer


def _page(request: Request, email: str, to: str, refusal: SignInRefusal | None) -> Response:
    accounts: list[OperatorSeen] = []
    if settings().demo:
        with transaction() as session:
            accounts = demo_people(session)
    accounts.sort(key=lambda person: (_first_role(person), person.name))
    visitor = request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(24)
    context = SignInPage(email, to, REFUSALS[refusal] if refusal else None, tuple(accounts))
    status = {None: 200, SignInRefusal.WRONG: 422, SignInRefusal.THROTTLED: 429}[refusal]
    answer = bare_page(request, "sign_in.html", context, status=status, csrf_token=visitor)
    answer.set_cookie(VISITOR_COOKIE, visitor, max_age=3600, **cookie_options())
    return answer


def _first_role(person: OperatorSeen) -> int:
    return min((ROLE_ORDER[role.value] for roles in person.roles.values() for role in roles), default=9)
