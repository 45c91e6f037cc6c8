"""Whether alarms of CloudWatch are quiet."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from reconcilers.aws import Connection
from reconcilers.checks import Check, Probe
from reconcilers.plain import one_line

_OLD_ALARM: Final = 600.0  # seconds that an alarm of before the rollout is given to come to rest
_SHOWN: Final = 200


def alarms(names: Sequence[str], settled_at: datetime | None, aws: Connection) -> Probe:
    """DescribeAlarms, once for all of them, metric alarms and composite ones.

    A missing one says nothing about production: somebody mistyped it, or terraform replaces it now. It is stuck.
    One that was in ALARM before what runs settled (or where that is not known) has ten minutes to leave it.
    """

    def ask() -> Iterable[Check]:
        told = aws.reading("cloudwatch").describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
        )
        every: list[Any] = [*told.get("MetricAlarms", []), *told.get("CompositeAlarms", [])]
        return _judged(names, {alarm["AlarmName"]: alarm for alarm in every}, settled_at, aws.place.region)

    return Probe("alarms", ask)


def _judged(names: Sequence[str], found: dict[str, Any], settled_at: datetime | None, region: str) -> Iterator[Check]:
    for each in names:
        name, alarm = f"alarm {each}", found.get(each)
        if alarm is None:
            evidence = f"there is no alarm {each} in {region}: correct its name in the file, or create it"
            yield Check(name, None, evidence, stuck=True)
        elif alarm["StateValue"] != "ALARM":
            yield Check(name, ok=True, evidence=f"{alarm['StateValue']}")
        else:
            since = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
            old = settled_at is None or since is None or since < settled_at
            why = one_line(alarm.get("StateReason", ""), _SHOWN)
            evidence = f"ALARM{f' since {since:%H:%M:%S} UTC' if since else ''}{f': {why}' if why else ''}"
            yield Check(name, ok=False, evidence=evidence, patience=_OLD_ALARM if old else 0.0)
