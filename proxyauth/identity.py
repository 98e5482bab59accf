"""Who a request comes from, or why nobody: what the middleware hands to the views."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller with an account; `request.user` of Django REST framework, and no user of Django's.

    `kind` is the type of the proxy ("rfc", "draft", "legacy", "end-entity"), `serial` the user certificate's serial
    number, `expires` the end of the proxy (aware UTC).
    """

    dn: str
    account: str
    kind: str
    is_limited: bool
    serial: int
    expires: datetime

    @property
    def is_authenticated(self) -> bool:
        """Always: there is no identity without a verified proxy."""
        return True

    @property
    def pk(self) -> str:
        """What throttles count by."""
        return self.account


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a caller was not let in.

    `dn` is known only where the credential was valid: then this is a 403, not a 401. `retry_after` seconds: a 429.
    """

    rule: str
    message: str
    dn: str = ""
    retry_after: int = 0

    @property
    def is_forbidden(self) -> bool:
        """Whether we know who it is, and refuse all the same."""
        return bool(self.dn)
