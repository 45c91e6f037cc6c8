"""What the versions of secrets say. A version never changes: each is read once, and no value is kept."""

import re
from datetime import UTC, datetime
from typing import Final, TypeVar

from desired_state.model import Endpoint
from reconcilers.contract import Absent, Stalled
from reconcilers.credentials import Credentials, credentials
from reconcilers.secret_text import Address, addresses, readdressed
from reconcilers.secrets import Secrets, SecretState

_KEPT: Final = 4096  # versions
_FIT: Final = re.compile(r"[!#-.0-?A-~]{8,128}")  # printable ASCII without space " / @

Found = TypeVar("Found")
_Fact = tuple[str, ...]


class SecretValues:
    """Facts about values, by ARN and version. For one thread at a time."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._addresses: dict[_Fact, tuple[Address, ...] | str] = {}  # or why there are none
        self._same: dict[_Fact, bool] = {}

    def addresses(self, name: str, state: SecretState, version: str = "") -> tuple[Address, ...]:
        """Where a version says that the database is; the current one unless another is named. Stalled: unreadable."""
        key = (state.arn, version or state.current)
        if key not in self._addresses:
            _remember(self._addresses, key, _parsed(name, self.text(state, version)))
        found = self._addresses[key]
        if isinstance(found, str):
            raise Stalled(found)
        return found

    def is_value_of(self, name: str, state: SecretState, version: str, endpoint: Endpoint | None) -> bool:
        """Whether the current value is that of another version, at this endpoint where one is given."""
        key = (state.arn, state.current, version, str(endpoint or ""))
        if key not in self._same:
            wanted = rewritten(name, self.text(state, version), endpoint)
            _remember(self._same, key, self.text(state) == wanted)
        return self._same[key]

    def credentials(self, state: SecretState, version: str = "") -> Credentials:
        """Who a version lets in. Not to be kept. Stalled: it names no user or no password, or two."""
        return credentials(self.text(state, version))

    def text(self, state: SecretState, version: str = "") -> str:
        """The text of a version. Not to be kept."""
        return (
            self._secrets.value(state.arn, version) if version not in ("", state.current) else self._secrets.text(state)
        )

    def outdated(self, name: str, state: SecretState, data: datetime) -> str:
        """Why the user's password may not be the one that it had at the time of restored data; empty where it is."""
        made = self._secrets.versions(state.arn)
        if state.current in made and made[state.current] <= data:
            return ""
        then = max((each for each in made if made[each] <= data), key=made.__getitem__, default="")
        since = (
            f"the restored data is of {data.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}, and secret {name} has changed since"
        )
        if not then:
            return (
                f"{since}; none of its versions is as old: put the user's password of that time into the secret, "
                f"or pin secret_version: {state.current} if it is the same"
            )
        if self._logs_in_alike(state, then):
            return ""
        return (
            f"{since}, so its password may not be the one of that time: pin secret_version: {then} "
            f"(and to go back one day, {state.current})"
        )

    def has_other_login(self, state: SecretState, version: str) -> bool:
        """Whether another version lets in another user, or by another password, as far as both can be read."""
        try:
            return _login(self.credentials(state, version)) != _login(self.credentials(state))
        except (Absent, Stalled):
            return False

    def _logs_in_alike(self, state: SecretState, version: str) -> bool:
        try:
            then, now = self.credentials(state, version), self.credentials(state)
        except (Absent, Stalled):
            return False
        return _login(then) == _login(now)


def rewritten(name: str, text: str, endpoint: Endpoint | None) -> str:
    """The text with another endpoint. Stalled: it has no certain place for one."""
    if endpoint is None:
        return text
    try:
        return readdressed(text, endpoint)
    except Stalled as unreadable:
        raise Stalled(f"secret {name}: {unreadable}") from None


def unfit(name: str, found: Credentials) -> str:
    """Why RDS would not take this password for a master user; empty where it would."""
    if _FIT.fullmatch(found.password):
        return ""
    return (
        f"the password in secret {name} is none that RDS takes for a master user (8 to 128 plain characters, "
        'without space, /, " and @): change it in the secret before the instance is there'
    )


def _login(found: Credentials) -> tuple[str, str]:
    return found.user, found.password


def _parsed(name: str, text: str) -> tuple[Address, ...] | str:
    try:
        return addresses(text)
    except Stalled as unreadable:
        return f"secret {name}: {unreadable}"


def _remember(facts: dict[_Fact, Found], key: _Fact, fact: Found) -> None:
    while len(facts) >= _KEPT:
        del facts[next(iter(facts))]
    facts[key] = fact
