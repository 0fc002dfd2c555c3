"""Who visits which line of business, and whether they may. Every route of the console names one action here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import FormData

from capabilities.kernel.business import Business, all_businesses
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import PLATFORM
from capabilities.kernel.settings import settings
from web.access.contract import OperatorSeen, Role
from web.access.permissions import Action, may, roles_for
from web.access.queries import people_with
from web.access.service import current_session, remember_business

PLAIN_COOKIE = "zhongtai"
HOST_COOKIE = "__Host-zhongtai"
VISITOR_COOKIE = "zhongtai-visitor"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SignInNeededError(Exception):
    """Nobody is signed in; the edge leads to the sign-in page."""


class ForgedRequestError(Exception):
    """A changing request that did not come from a page of ours."""


class ForbiddenError(Exception):
    """Signed in, but the permission table says no. `who` names those who may."""

    def __init__(self, action: Action, business: str, roles: frozenset[Role], who: tuple[str, ...]) -> None:
        super().__init__(action.value)
        self.action = action
        self.business = business
        self.roles = roles
        self.who = who


@dataclass(frozen=True)
class Visit:
    """One request of one person in one line of business."""

    request: Request
    operator: OperatorSeen
    csrf_token: str
    business: Business
    businesses: tuple[Business, ...]

    def may(self, action: str) -> bool:
        """Whether the person may do `action` (a value of `Action`) here."""
        return may(self.operator, self.business.business, Action(action))

    def who_may(self, action: str) -> tuple[str, ...]:
        """Names of those who may, for the reason beside a disabled control."""
        with transaction() as session:
            found = people_with(session, self.business.business, roles_for(Action(action)))
        return tuple(person.name for person in found)

    @property
    def form(self) -> FormData:
        form: FormData = self.request.state.form
        return form

    def posted(self, name: str, default: str = "") -> str:
        """One text field of the posted form, stripped."""
        value = self.form.get(name, default)
        return value.strip() if isinstance(value, str) else default

    @property
    def wants_fragment(self) -> bool:
        """Whether htmx asks, for a block; a browser asks for the page."""
        return "HX-Request" in self.request.headers

    @cached_property
    def path(self) -> str:
        """The first part of every link: `/console/retail`."""
        return f"/console/{self.business.business}"


@dataclass(frozen=True)
class Needs:
    """Dependency: somebody is signed in, the request is not forged, and the table allows `action` in this business."""

    action: Action

    def __call__(self, request: Request, business: str) -> Visit:
        visit = visit_of(request, business)
        request.state.visit = visit
        if not may(visit.operator, business, self.action):
            raise ForbiddenError(self.action, business, roles_for(self.action), visit.who_may(self.action.value))
        return visit


def visit_of(request: Request, business: str) -> Visit:
    """The visit, for anybody with any role in the business. One without a role there: it does not exist for them."""
    token = request.cookies.get(cookie_name())
    with transaction() as session:
        current = current_session(session, token) if token else None
        if current is None:
            raise SignInNeededError
        refuse_forgery(request, current.csrf_token)
        seen = visible_businesses(current.operator, all_businesses(session))
        here = next((one for one in seen if one.business == business), None)
        if here is not None and current.operator.last_business != business:
            remember_business(session, current.operator.id, business)
    if here is None:
        raise MissingError("business.unknown", f"There is no line of business {business!r} for you.")
    return Visit(request, current.operator, current.csrf_token, here, tuple(seen))


def visible_businesses(operator: OperatorSeen, businesses: list[Business]) -> list[Business]:
    """Those in which the person has a role."""
    return [one for one in businesses if one.business != PLATFORM and operator.roles_in(one.business)]


def cookie_name() -> str:
    """`__Host-` always, except in demo mode, which runs on loopback without TLS."""
    return PLAIN_COOKIE if settings().demo else HOST_COOKIE


def cookie_options() -> dict[str, Any]:
    return {"httponly": True, "samesite": "lax", "secure": not settings().demo, "path": "/"}


def refuse_forgery(request: Request, expected: str) -> None:
    """Changing requests carry the token (header or hidden field) and come from our own origin."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForgedRequestError
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForgedRequestError
    sent = request.headers.get("x-csrf-token") or request.state.form.get("csrf", "")
    if not isinstance(sent, str) or not secrets.compare_digest(sent.encode(), expected.encode()):
        raise ForgedRequestError
