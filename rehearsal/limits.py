"""The request rates that AWS grants one account and Region, as token buckets."""

from dataclasses import dataclass

from rehearsal.clock import Clock
from rehearsal.wire import Call

_Rates = dict[tuple[object, ...], str]

# Burst and refill per second, as the ECS, ELB and Secrets Manager guides publish them.
_ECS: _Rates = {
    (20, 1): "RegisterTaskDefinition DeregisterTaskDefinition",
    (50, 20): "DescribeTaskDefinition ListTaskDefinitions ListTaskDefinitionFamilies",
    (5, 1): "DeleteTaskDefinitions",
    (50, 5): "CreateService UpdateService DeleteService",
    (100, 20): "DescribeServices ListServices",
    (50, 20, "deployments"): "DescribeServiceDeployments ListServiceDeployments",
    (50, 20, "revisions"): "DescribeServiceRevisions",
    (50, 20, "clusters"): "DescribeClusters ListClusters",
    (20, 1, "clusters"): "CreateCluster DeleteCluster",
    (100, 20, "tasks"): "DescribeTasks ListTasks",
    (100, 40): "RunTask StopTask",
    (20, 10): "TagResource UntagResource",
    (50, 20, "tags"): "ListTagsForResource",
}
_SECRETS: _Rates = {
    (50, 50): "PutSecretValue UpdateSecret UpdateSecretVersionStage",
    (50, 50, "tags"): "TagResource UntagResource",
}


_TRAIL: _Rates = {(2, 2): "LookupEvents"}


@dataclass
class _Bucket:
    burst: float
    refill: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.refill)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limits:
    """The buckets of every region. The layer's lock guards it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str, tuple[object, ...]], _Bucket] = {}

    def admits(self, call: Call) -> bool:
        """Whether the call is within the rate. A call with no published rate always is."""
        taken = [self._take(call, rate) for rate in _rates(call)]  # a refused call has cost a token of the others too
        return all(taken)

    def _take(self, call: Call, rate: tuple[object, ...]) -> bool:
        now = self._clock.now()
        burst, refill = float(str(rate[0])), float(str(rate[1]))
        bucket = self._buckets.setdefault((call.region, call.service, rate), _Bucket(burst, refill, burst, now))
        return bucket.take(now)


def _rates(call: Call) -> list[tuple[object, ...]]:
    if call.service == "elbv2":
        return _elb_rates(call)
    table = {"ecs": _ECS, "secretsmanager": _SECRETS, "cloudtrail": _TRAIL}.get(call.service, {})
    return [rate for rate, operations in table.items() if call.operation in operations.split()]


def _elb_rates(call: Call) -> list[tuple[object, ...]]:
    account: tuple[object, ...] = (40, 10, "account")
    if not call.write:
        return [account, (40, 10, "reads")]
    return [account, (20, 4) if call.operation.endswith("Targets") else (20, 3)]
