"""When alarms of CloudWatch changed their state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconcilers.aws import Connection
from reconcilers.plain import one_line

ACTIONS: Final = ("cloudwatch:DescribeAlarmHistory",)
MOST: Final = 20
"""Alarms that are asked for."""
_ITEMS: Final = 50  # of each


@dataclass(frozen=True)
class AlarmChange:
    """One alarm changed its state."""

    at: datetime
    alarm: str
    summary: str  # as CloudWatch says it


def changes(connection: Connection, alarms: Sequence[str], since: datetime, until: datetime) -> Iterator[AlarmChange]:
    """DescribeAlarmHistory, the newest fifty of each. ClientError or BotoCoreError: CloudWatch does not tell."""
    for alarm in alarms[:MOST]:
        told = connection.reading("cloudwatch").describe_alarm_history(
            AlarmName=alarm,
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="StateUpdate",
            StartDate=since,
            EndDate=until,
            MaxRecords=_ITEMS,
            ScanBy="TimestampDescending",
        )
        for item in told.get("AlarmHistoryItems", []):
            if "Timestamp" in item:
                yield AlarmChange(
                    item["Timestamp"].astimezone(UTC), alarm, one_line(item.get("HistorySummary", ""), 300)
                )
