"""What others see of access: roles, operators, and what signing in returns."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.identity import PLATFORM


class Role(StrEnum):
    """What somebody may do in a line of business; the table stands in `web/access/permissions.py`."""

    EDITOR = "editor"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Language(StrEnum):
    EN = "en"
    ZH = "zh"


class Theme(StrEnum):
    """`device` renders no attribute: the browser decides."""

    DEVICE = "device"
    LIGHT = "light"
    DARK = "dark"


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CreateOperator(Contract):
    """A new person. `roles` maps a line of business (or `platform` for all of them) to roles there."""

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)
    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=8, max_length=200)
    roles: Mapping[str, tuple[Role, ...]]
    is_demo: bool = False
    language: Language = Language.EN


class OperatorSeen(Contract):
    """A person as pages and permission checks see them."""

    id: str
    email: str
    name: str
    language: Language
    theme: Theme
    roles: Mapping[str, tuple[Role, ...]]
    is_demo: bool
    last_business: str | None = None

    def roles_in(self, business: str) -> frozenset[Role]:
        """Roles in this line of business, with those that hold everywhere."""
        return frozenset(self.roles.get(business, ())) | frozenset(self.roles.get(PLATFORM, ()))


class SignIn(Contract):
    """An attempt. `address` is where it came from, for throttling."""

    email: str = Field(max_length=200)
    password: str = Field(max_length=200)
    address: str = Field(max_length=64)


class SignInRefusal(StrEnum):
    """Why an attempt was refused; wrong name and wrong password look the same from outside."""

    WRONG = "wrong"
    THROTTLED = "throttled"


class SignedIn(Contract):
    """A begun session: the token goes into the cookie and is stored only as a hash."""

    token: str
    operator: OperatorSeen


class CurrentSession(Contract):
    """The session a request belongs to."""

    operator: OperatorSeen
    csrf_token: str
