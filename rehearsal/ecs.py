"""ECS as AWS runs it: the operations that the rehearsal answers itself, region by region."""

from collections.abc import Callable, Iterator, Mapping

from rehearsal import ecs_clusters, ecs_definitions, ecs_run, ecs_services, ecs_tasks, run_log
from rehearsal.clock import Clock, Pace
from rehearsal.ecs_state import Params, Region, Registry
from rehearsal.run_values import Script
from rehearsal.service_values import Service
from rehearsal.wire import Answer, Call, Unsupported, told

_OPERATIONS: Mapping[str, Callable[[Region, Params], Params | bytes]] = {
    "CreateCluster": ecs_clusters.create,
    "DescribeClusters": ecs_clusters.describe,
    "ListClusters": ecs_clusters.list_clusters,
    "DeleteCluster": ecs_clusters.delete,
    "TagResource": ecs_clusters.tag,
    "UntagResource": ecs_clusters.untag,
    "ListTagsForResource": ecs_clusters.list_tags,
    "RegisterTaskDefinition": ecs_definitions.register,
    "DescribeTaskDefinition": ecs_definitions.describe,
    "DeregisterTaskDefinition": ecs_definitions.deregister,
    "DeleteTaskDefinitions": ecs_definitions.delete,
    "ListTaskDefinitions": ecs_definitions.list_revisions,
    "ListTaskDefinitionFamilies": ecs_definitions.list_families,
    "CreateService": ecs_services.create,
    "UpdateService": ecs_services.update,
    "DeleteService": ecs_services.delete,
    "DescribeServices": ecs_services.describe,
    "ListServices": ecs_services.list_services,
    "RunTask": ecs_run.run,
    "StopTask": ecs_run.stop,
    "ListTasks": ecs_tasks.list_tasks,
    "DescribeTasks": ecs_tasks.describe_tasks,
    "ListServiceDeployments": ecs_tasks.list_service_deployments,
    "DescribeServiceDeployments": ecs_tasks.describe_service_deployments,
    "DescribeServiceRevisions": ecs_tasks.describe_service_revisions,
}


class Ecs:
    """The ECS of every region."""

    def __init__(self, clock: Clock, pace: Pace, registry: Registry) -> None:
        self._make: Callable[[str], Region] = lambda name: Region(name, clock, pace, registry)
        self._regions: dict[str, Region] = {}

    def region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = self._make(name)
        return self._regions[name]

    def answer(self, call: Call, *, ago: float = 0.0) -> Answer:
        """The answer to a call; a stale one where `ago` is not 0 and the operation is DescribeServices."""
        region = self.region(call.region)
        if ago and call.operation == "DescribeServices":
            return told(ecs_services.describe(region, call.params, ago=ago))
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise Unsupported(f"ecs {call.operation}")
        return told(operation(region, call.params))

    def number_from(self, region: str, family: str, first: int) -> None:
        """The next revision of a family is `first`."""
        self.region(region).numbering[family] = first - 1

    def script(self, region: str, command: tuple[str, ...], script: Script) -> None:
        """What a command does from now on, in every task that is run once."""
        self.region(region).runs.scripts[command] = script

    def pour(self) -> None:
        """Bring the logs of commands to where they are by now."""
        for region in self._regions.values():
            run_log.pour(region)

    def heal(self) -> None:
        """An image that was bad is good again."""
        for region in self._regions.values():
            ecs_services.heal(region)

    def services(self) -> Iterator[tuple[str, Service]]:
        """Every service with the name of its region, with every step that is due."""
        for name, region in self._regions.items():
            for timeline in region.services.values():
                region.settle(timeline)
                yield name, timeline.present

    def has_service(self, region: str, cluster: str, name: str) -> bool:
        timeline = self.region(region).services.get((cluster, name))
        return timeline is not None and timeline.present.status == "ACTIVE"

    def is_empty(self) -> bool:
        return not any(region.services for region in self._regions.values())
