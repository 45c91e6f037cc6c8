"""What ECS is asked: services ten at a time and once a pass, revisions once for ever."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError

from reconcilers.contract import Absent
from reconcilers.ecs_reads import EcsReads, Key
from reconcilers.ecs_records import Band, Incomplete, ServiceDeployment
from tests.reconcilers.ecs_world import CLUSTER, NAME, PREFIX, Process, World, arn


def keys(count: int, cluster: str = CLUSTER) -> list[Key]:
    return [(cluster, f"service-{number:02}") for number in range(count)]


def create(world: World, wanted: list[Key]) -> None:
    for cluster, name in wanted:
        if cluster not in [each.rpartition("/")[2] for each in world.ecs.list_clusters()["clusterArns"]]:
            world.ecs.create_cluster(clusterName=cluster)
        world.ecs.create_service(cluster=cluster, serviceName=name, taskDefinition="api:1", desiredCount=1)
    world.forget()


def read_all(reads: EcsReads, wanted: list[Key]) -> dict[Key, str]:
    """The name of each service, or what was raised for it."""
    told = {}
    for key in wanted:
        try:
            told[key] = reads.service(key).name
        except (Absent, Incomplete, ClientError, BotoCoreError) as error:
            told[key] = type(error).__name__
    return told


# Services


@pytest.mark.parametrize(
    ("sizes", "calls"), [({"one": 1}, 1), ({"one": 10}, 1), ({"one": 11}, 2), ({"one": 11, "two": 10, "three": 4}, 4)]
)
def test_r11_services_are_read_ten_at_a_time_and_cluster_by_cluster(
    world: World, process: Process, sizes: dict[str, int], calls: int
) -> None:
    wanted = [key for cluster, size in sizes.items() for key in keys(size, cluster)]
    mixed = wanted[::2] + wanted[1::2]
    create(world, wanted)
    process.reads.new_pass(mixed, [])
    for _ in range(2):
        assert read_all(process.reads, mixed) == {key: key[1] for key in mixed}
    assert process.calls == {"DescribeServices": calls}


def test_a_new_pass_reads_anew(world: World, process: Process) -> None:
    process.reads.new_pass([(CLUSTER, NAME)], [])
    before = process.reads.service((CLUSTER, NAME)).desired
    world.ecs.update_service(cluster=CLUSTER, service=NAME, desiredCount=before + 1)
    assert process.reads.service((CLUSTER, NAME)).desired == before
    process.reads.new_pass([(CLUSTER, NAME)], [])
    assert process.reads.service((CLUSTER, NAME)).desired == before + 1


def test_a_service_that_nobody_announced_is_read_all_the_same(world: World, process: Process) -> None:
    assert process.reads.service((CLUSTER, NAME)).arn == f"{PREFIX}:service/{CLUSTER}/{NAME}"


def test_missing_services_and_clusters_are_absent_and_hide_nothing(world: World, process: Process) -> None:
    create(world, keys(2))
    wanted = [*keys(3), ("nowhere", "api"), ("nowhere", "web")]
    process.reads.new_pass(wanted, [])
    assert list(read_all(process.reads, wanted).values()) == ["service-00", "service-01", *["Absent"] * 3]
    with pytest.raises(Absent, match=f"ECS cluster {CLUSTER} has no service service-02"):
        process.reads.service((CLUSTER, "service-02"))
    with pytest.raises(Absent, match="there is no ECS cluster nowhere"):
        process.reads.service(("nowhere", "web"))
    assert process.calls == {"DescribeServices": 2}


def test_one_bad_name_does_not_hide_the_other_nine(world: World, process: Process) -> None:
    create(world, keys(9))
    wanted = [*keys(9), (CLUSTER, "b@d")]
    refuse_names(process, "b@d")
    process.reads.new_pass(wanted, [])
    assert list(read_all(process.reads, wanted).values()) == [key[1] for key in keys(9)] + ["ClientError"]


def refuse_names(process: Process, bad: str) -> None:
    """What ECS does with a name that cannot be one."""

    def refuse(params: dict[str, Any], **_: object) -> None:
        if bad in params["services"]:
            told: Any = {
                "Error": {"Code": "InvalidParameterException", "Message": "Invalid identifier"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
            raise ClientError(told, "DescribeServices")

    process.connection.reading("ecs").meta.events.register("provide-client-params.ecs.DescribeServices", refuse)


@pytest.mark.parametrize(("fault", "raised"), [("error", "ServerException"), ("drop_before", "ConnectionClosedError")])
def test_a_failed_read_is_raised_to_all_of_its_batch_and_made_once(
    world: World, process: Process, fault: str, raised: str
) -> None:
    create(world, keys(3))
    world.rehearsal.fault("ecs", "DescribeServices", fault, times=3)  # as often as a read is tried
    process.reads.new_pass(keys(3), [])
    assert set(read_all(process.reads, keys(3)).values()) == {raised}
    assert process.calls == {"DescribeServices": 1}


def error_page(request: Any, **_: object) -> AWSResponse:
    """What a proxy in between says on its own account."""
    body = io.BytesIO(b"<html>Bad gateway</html>")
    body.stream = lambda **_: iter([body.read()])
    return AWSResponse(request.url, 502, {"content-type": "text/html"}, body)


def test_an_error_page_is_a_failed_read_and_nothing_else(world: World, process: Process) -> None:
    process.connection.reading("ecs").meta.events.register("before-send.ecs", error_page)
    with pytest.raises(ClientError, match="502"):
        process.reads.service((CLUSTER, NAME))
    with pytest.raises(ClientError, match="502"):
        process.reads.revision(arn("api:1"))


@pytest.mark.parametrize(
    ("service", "operation", "read"),
    [
        ("ecs", "DescribeTaskDefinition", lambda reads: reads.revision(arn("api:1"))),
        ("ecr", "DescribeImages", lambda reads: reads.has_image("123456789012", "us-east-1", "api", "v1")),
    ],
)
def test_what_could_not_be_read_is_not_what_is_not_there(
    world: World, process: Process, service: str, operation: str, read: Any
) -> None:
    world.rehearsal.fault(service, operation, "throttle", times=3)
    with pytest.raises(ClientError, match="Throttling"):
        read(process.reads)


def test_an_incomplete_record_does_not_hide_the_others(world: World, process: Process) -> None:
    create(world, keys(3))
    process.tells("DescribeServices", lambda parsed: parsed["services"][0].pop("desiredCount"))
    process.reads.new_pass(keys(3), [])
    assert list(read_all(process.reads, keys(3)).values()) == ["Incomplete", "service-01", "service-02"]


@pytest.mark.parametrize(("reason", "raised"), [("MISSING", "Absent"), ("THROTTLED", "Incomplete"), ("", "Incomplete")])
def test_only_missing_means_that_it_is_not_there(world: World, process: Process, reason: str, raised: str) -> None:
    failure = {"arn": f"{PREFIX}:service/{CLUSTER}/{NAME}", "reason": reason}
    process.tells("DescribeServices", lambda parsed: parsed.update(services=[], failures=[failure]))
    assert read_all(process.reads, [(CLUSTER, NAME)]) == {(CLUSTER, NAME): raised}


def test_events_are_dropped_before_they_are_parsed(world: World, process: Process) -> None:
    seen: list[Any] = []
    process.tells("DescribeServices", seen.append)
    process.reads.service((CLUSTER, NAME))
    assert world.service()["events"]
    assert "events" not in seen[0]["services"][0]


def test_only_our_tags_are_kept(world: World, process: Process) -> None:
    tags = [{"key": "trueup:hold", "value": "x"}, {"key": "team", "value": "replay"}]
    world.ecs.tag_resource(resourceArn=world.service()["serviceArn"], tags=tags)
    assert process.reads.service((CLUSTER, NAME)).tags == {"hold": "x"}


# Revisions


def test_a_revision_is_read_once_for_ever(world: World, process: Process) -> None:
    first = process.reads.revision(arn("api:1"))
    process.reads.new_pass([], [])
    assert process.reads.revision(arn("api:1")) is first
    assert process.calls == {"DescribeTaskDefinition": 1}


def test_only_so_many_revisions_are_kept_and_those_in_use_stay(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconcilers.ecs_reads._REVISIONS_KEPT", 2)
    world.ecs.register_task_definition(family="other", containerDefinitions=[{"name": "a", "image": "a", "memory": 8}])
    for revision in ("api:1", "api:2", "api:1", "other:1", "api:1", "api:2"):
        process.reads.revision(arn(revision))
    assert process.calls == {"DescribeTaskDefinition": 4}


def test_status_and_tags_are_read_fresh_where_it_matters(world: World, process: Process) -> None:
    process.reads.revision(arn("api:1"))
    world.ecs.tag_resource(resourceArn=arn("api:1"), tags=[{"key": "team", "value": "replay"}])
    world.ecs.deregister_task_definition(taskDefinition="api:1")
    assert process.reads.revision(arn("api:1")).active
    fresh = process.reads.revision(arn("api:1"), fresh=True)
    assert (fresh.active, fresh.tags) == (False, {"team": "replay"})
    process.calls.clear()
    process.reads.revision(arn("api:1"), fresh=True)
    assert process.calls == {}  # a revision that was retired stays so


def test_a_missing_revision_is_absent(world: World, process: Process) -> None:
    with pytest.raises(Absent, match="there is no task definition api:9"):
        process.reads.revision(arn("api:9"))


def test_the_newest_revisions_come_first_by_number(world: World, process: Process) -> None:
    for number in range(3, 12):
        world.register(image=f"registry.example/api:v{number}")
    world.register("api-worker")
    world.ecs.deregister_task_definition(taskDefinition="api:10")
    assert [World.short(each) for each in process.reads.active("api")][:3] == ["api:11", "api:9", "api:8"]
    assert len(process.reads.active("api")) == 10


def test_an_endpoint_that_sorts_and_filters_as_it_likes_is_put_right(world: World, process: Process) -> None:
    told = [arn("api:9"), arn("api:10"), arn("api-worker:11"), arn("api:2")]
    process.tells("ListTaskDefinitions", lambda parsed: parsed.update(taskDefinitionArns=told))
    assert process.reads.active("api") == [arn("api:10"), arn("api:9"), arn("api:2")]


# History


def test_r10_the_history_is_asked_for_less_than_three_months(world: World, process: Process) -> None:
    asked: list[Any] = []
    events = process.connection.reading("ecs").meta.events
    events.register("provide-client-params.ecs.ListServiceDeployments", lambda params, **_: asked.append(params))
    service = f"{PREFIX}:service/{CLUSTER}/{NAME}"
    last = process.reads.last_deployment(CLUSTER, service)
    assert last is not None
    assert (last.task_definition, last.status) == (arn("api:1"), "SUCCESSFUL")
    assert 79 < (world.instant() - asked[0]["createdAt"]["after"]).days < 85


@pytest.mark.parametrize(
    ("operation", "edit"),
    [
        pytest.param("ListServiceDeployments", lambda told: told.update(serviceDeployments=[]), id="none"),
        pytest.param("ListServiceDeployments", dict.clear, id="no list"),
        pytest.param(
            "ListServiceDeployments",
            lambda told: [each.pop("targetServiceRevisionArn") for each in told["serviceDeployments"]],
            id="no target",
        ),
        pytest.param(
            "ListServiceDeployments",
            lambda told: [each.pop("createdAt") for each in told["serviceDeployments"]],
            id="no dates",
        ),
        pytest.param("DescribeServiceRevisions", lambda told: told.update(serviceRevisions=[]), id="no revision"),
        pytest.param("DescribeServiceRevisions", dict.clear, id="no list of revisions"),
        pytest.param(
            "DescribeServiceRevisions",
            lambda told: [each.pop("taskDefinition") for each in told["serviceRevisions"]],
            id="no task definition",
        ),
    ],
)
def test_a_history_that_says_nothing_is_no_record(world: World, process: Process, operation: str, edit: Any) -> None:
    process.tells(operation, edit)
    assert process.reads.last_deployment(CLUSTER, f"{PREFIX}:service/{CLUSTER}/{NAME}") is None


def test_the_newest_entry_counts_whatever_the_order(world: World, process: Process) -> None:
    world.rehearsal.advance(10)
    world.ecs.update_service(cluster=CLUSTER, service=NAME, taskDefinition="api:2")
    process.tells("ListServiceDeployments", lambda told: told["serviceDeployments"].reverse())
    last = process.reads.last_deployment(CLUSTER, f"{PREFIX}:service/{CLUSTER}/{NAME}")
    assert isinstance(last, ServiceDeployment)
    assert last.task_definition == arn("api:2")
    assert last.created > datetime(2024, 1, 1, tzinfo=UTC)


def test_an_endpoint_without_a_history_is_asked_once(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(operations(monkeypatch), "ListServiceDeployments")
    for _ in range(2):
        assert process.reads.last_deployment(CLUSTER, f"{PREFIX}:service/{CLUSTER}/{NAME}") is None
    assert process.calls["ListServiceDeployments"] == 1


def operations(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from rehearsal import ecs

    mine = dict(ecs._OPERATIONS)
    monkeypatch.setattr(ecs, "_OPERATIONS", mine)
    return mine


def test_a_history_that_cannot_be_read_now_is_an_error(world: World, process: Process) -> None:
    world.rehearsal.fault("ecs", "ListServiceDeployments", "error", times=3)
    with pytest.raises(ClientError, match="ServerException"):
        process.reads.last_deployment(CLUSTER, f"{PREFIX}:service/{CLUSTER}/{NAME}")


# Autoscaling


def test_bands_are_read_fifty_at_a_time_whatever_their_cluster(world: World, process: Process) -> None:
    wanted = [*keys(30, "one"), *keys(21, "two")]
    process.reads.new_pass(wanted, wanted)
    assert {process.reads.band(key) for key in wanted} == {None}
    assert process.calls == {"DescribeScalableTargets": 2}


@pytest.mark.parametrize(
    ("suspended", "active"),
    [
        ({}, {"in", "out", "scheduled"}),
        ({"DynamicScalingInSuspended": True}, {"out", "scheduled"}),
        ({"DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": True}, {"in"}),
    ],
)
def test_a_band_says_what_autoscaling_may_do(
    world: World, process: Process, suspended: dict[str, bool], active: set[str]
) -> None:
    world.autoscale(2, 9, **suspended)
    assert process.reads.band((CLUSTER, NAME)) == Band(2, 9, frozenset(active))


def test_a_band_on_a_later_page_is_found(world: World, process: Process) -> None:
    world.autoscale(2, 9)
    pages = iter([({"ScalableTargets": []}, "0"), (None, None)])

    def page(parsed: dict[str, Any], **_: object) -> None:
        told, token = next(pages)
        parsed.update(told or {})
        if token:
            parsed["NextToken"] = token

    process.connection.reading("application-autoscaling").meta.events.register(
        "after-call.application-auto-scaling.DescribeScalableTargets", page
    )
    assert process.reads.band((CLUSTER, NAME)) == Band(2, 9, frozenset({"in", "out", "scheduled"}))


def test_targets_that_nobody_asked_for_are_passed_over(world: World, process: Process) -> None:
    world.autoscale(2, 9)
    other = {"ResourceId": "service/other/api", "MinCapacity": 1, "MaxCapacity": 1}
    process.tells(
        "DescribeScalableTargets", lambda told: told["ScalableTargets"].insert(0, other), "application-autoscaling"
    )
    assert process.reads.band((CLUSTER, NAME)) == Band(2, 9, frozenset({"in", "out", "scheduled"}))


def test_an_endpoint_without_autoscaling_has_no_bands(
    world: World, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.autoscale(2, 9)
    monkeypatch.setattr("rehearsal.autoscaling.Autoscaling.answer", unsupported)
    assert process.reads.band((CLUSTER, NAME)) is None


def unsupported(*_: object) -> None:
    from rehearsal.wire import Unsupported

    raise Unsupported("DescribeScalableTargets")


def test_a_band_that_cannot_be_read_is_an_error_for_all_of_its_batch(world: World, process: Process) -> None:
    world.rehearsal.fault("application-autoscaling", "DescribeScalableTargets", "error", times=3)
    process.reads.new_pass(keys(2), keys(2))
    for key in keys(2):
        with pytest.raises(ClientError, match="InternalFailure"):
            process.reads.band(key)
    assert process.calls == {"DescribeScalableTargets": 1}
