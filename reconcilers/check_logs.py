"""How often a pattern is found in a log."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from desired_state.times import duration_text
from desired_state.verify import LogCheck
from reconcilers.aws import Connection, code
from reconcilers.checks import Check, Probe, unmade
from reconcilers.contract import Stalled
from reconcilers.plain import one_line

_PAGES: Final = 50  # that are looked through: CloudWatch Logs answers with empty ones while it searches
_SHOWN: Final = 120
_MOST_A_PAGE: Final = 10_000


def logs(check: LogCheck, settled_at: datetime | None, aws: Connection) -> Probe:
    """FilterLogEvents, as far back as the file says, and no further than to the end of the last rollout.

    It stops at one event more than may be. Stalled: there is no such log group, or no such pattern.
    """

    def ask() -> Iterable[Check]:
        name, now = f"logs {check.group}", aws.now()
        since = max(filter(None, (now - check.over, settled_at)))
        found, whole = _found(check, since, aws)
        if len(found) > check.at_most:
            first = one_line(found[0], _SHOWN)
            many = f"more than {check.at_most}" if check.at_most else "at least one"
            return (Check(name, ok=False, evidence=f"{many} found since {since:%H:%M:%S} UTC; the first: {first}"),)
        if not whole:
            return (unmade(name, "it is too large to be looked through: narrow the pattern, or shorten over"),)
        return (Check(name, ok=True, evidence=f"{len(found)} found in {duration_text(check.over)}"),)

    return Probe(f"logs {check.group}", ask)


def _found(check: LogCheck, since: datetime, aws: Connection) -> tuple[list[str], bool]:
    """The messages, up to one more than may be; and whether all of the log was looked through."""
    asked: dict[str, Any] = {
        "logGroupName": check.group,
        "filterPattern": check.pattern,
        "startTime": int(since.timestamp() * 1000),
        "limit": min(check.at_most + 1, _MOST_A_PAGE),
    }
    found: list[str] = []
    for _ in range(_PAGES):
        page = _page(asked, aws)
        found += [event.get("message", "") for event in page.get("events", [])]
        if len(found) > check.at_most or not page.get("nextToken"):
            return found, True
        asked["nextToken"] = page["nextToken"]
    return found, False


def _page(asked: dict[str, Any], aws: Connection) -> Any:
    try:
        return aws.reading("logs").filter_log_events(**asked)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise Stalled(
                f"there is no log group {asked['logGroupName']}: correct its name in the file, or create it"
            ) from error
        if code(error) == "InvalidParameterException" and "nextToken" not in asked:
            raise Stalled(
                "CloudWatch Logs does not take the pattern: write one that aws logs filter-log-events takes"
            ) from error
        raise
