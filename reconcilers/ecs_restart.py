"""Whether all tasks of a service must be replaced: what asks for it, and what became of it already."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from desired_state.model import Service
from reconcilers.ecs_reads import HISTORY, EcsReads
from reconcilers.ecs_records import UNDER_WAY, ServiceRecord
from reconcilers.secrets import Secrets

# AWS services do not share a clock: only after this margin is a deployment surely younger than what it answers.
_MARGIN = timedelta(seconds=2)

Reason = tuple[datetime, str]  # since when, and why


@dataclass(frozen=True)
class Needed:
    """What is known of a restart. All empty: none is asked for, or it has been made."""

    due: str = ""  # why every task must be replaced now
    soon: str = ""  # why to look again in a moment
    given_up: str = ""  # what ECS made of the last try: it is not made again for the same reason


class Restarts:
    """Finds out whether a restart is due. Reads only."""

    def __init__(self, reads: EcsReads, secrets: Secrets) -> None:
        self._reads = reads
        self._secrets = secrets
        # By service: for which PRIMARY and reason the history was read, and what it came to.
        self._ended: dict[str, tuple[tuple[datetime, datetime], str]] = {}

    def of(self, service: Service, secrets: tuple[str, ...], record: ServiceRecord, now: datetime) -> Needed:
        """Compare when the tasks were started with everything that asks for younger ones."""
        asked = [(service.restarted_at, "restarted_at")] if service.restarted_at else []
        asked += self._changed(secrets)
        asked = [(at, why) for at, why in asked if at <= now + _MARGIN]  # a later instant is not due yet
        if record.primary is None or not asked:
            return Needed()
        if (created := record.primary.created) is None:
            return Needed(soon="ECS does not say when the tasks were started")
        late = [(at, why) for at, why in asked if created < at]
        if not late:
            return self._made(service, record, created, max(asked), now)
        due = [(at, why) for at, why in late if at + _MARGIN <= now]
        if not due:
            return Needed(soon=f"restart due in a moment: {late[0][1]}")
        return self._tried(service, record, max(due)) or Needed(
            due=f"after {due[0][0]:%Y-%m-%dT%H:%M:%SZ} ({due[0][1]})"
        )

    def _tried(self, service: Service, record: ServiceRecord, reason: Reason) -> Needed | None:
        """What the history says where DescribeServices shows no restart: that answer may be old. None: nothing."""
        tries = self._reads.statuses_since(service.cluster, record.arn, reason[0])
        if not tries:
            return None
        if "SUCCESSFUL" in tries:
            return Needed()
        if tries[0] in UNDER_WAY:
            return Needed(soon=f"waiting for ECS to show the restart that was asked of it ({reason[1]})")
        return Needed(given_up=_given_up(reason))

    def _made(
        self, service: Service, record: ServiceRecord, created: datetime, reason: Reason, now: datetime
    ) -> Needed:
        """Whether a PRIMARY younger than the reason is that restart, or what ECS rolled back to. Read once for each."""
        moving = record.primary is not None and record.primary.rollout == "IN_PROGRESS"
        if moving or now - reason[0] > HISTORY:
            return Needed()
        about = (created, reason[0])
        if self._ended.get(record.arn, (None, ""))[0] != about:
            tries = self._reads.statuses_since(service.cluster, record.arn, reason[0])
            failed = tries and "SUCCESSFUL" not in tries and tries[0] not in UNDER_WAY
            self._ended[record.arn] = (about, _given_up(reason) if failed else "")
        return Needed(given_up=self._ended[record.arn][1])

    def _changed(self, secrets: tuple[str, ...]) -> Iterator[Reason]:
        for secret in secrets:
            try:
                state = self._secrets.state(secret)
            except Exception:  # noqa: BLE001, S112 — the database of this secret says what is wrong; the pins go on
                continue
            if not state.deleted:  # no task can start with a secret that is to be deleted
                yield state.changed, f"secret {secret} changed"


def _given_up(reason: Reason) -> str:
    return (
        f"ECS gave up the rollout that was to replace all tasks ({reason[1]}); look at the service's events, and set "
        "restarted_at to try again"
    )
