"""The ReplayDash production is what its runbook speaks of, and looks as if it had been there for weeks."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from rehearsal import replaydash
from rehearsal import replaydash_names as names
from rehearsal.caller import Caller
from rehearsal.clock import Pace
from rehearsal.replaydash_tasks import api_environment
from rehearsal.server import Rehearsal
from tests.rehearsal.place import code


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(pace=Pace(rollout=20.0, creating=60.0), throttle=True) as opened:
        replaydash.seed(opened.url)
        yield opened


@pytest.fixture(scope="module")
def caller(rehearsal: Rehearsal) -> Caller:
    return Caller(rehearsal.url)


def service(caller: Caller, name: str) -> dict[str, Any]:
    described = caller.aws("ecs").describe_services(cluster=names.CLUSTER, services=[name], include=["TAGS"])
    found: dict[str, Any] = described["services"][0]
    return found


def definition(caller: Caller, name: str) -> dict[str, Any]:
    found: dict[str, Any] = caller.aws("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
    return found


def container(described: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in described["taskDefinition"]["containerDefinitions"] if each["name"] == name)


@pytest.mark.parametrize(
    ("name", "revision", "desired"), [(names.API, names.LIVE_REVISION, names.DESIRED), (names.WORKER, 58, 3)]
)
def test_both_services_rest_on_their_newest_revision(
    rehearsal: Rehearsal, caller: Caller, name: str, revision: int, desired: int
) -> None:
    shown = service(caller, name)

    assert [each["rolloutState"] for each in shown["deployments"]] == ["COMPLETED"]
    assert shown["taskDefinition"].endswith(f":task-definition/{name}:{revision}")
    assert (shown["desiredCount"], shown["runningCount"]) == (desired, desired)
    assert rehearsal.now() - shown["deployments"][0]["createdAt"] > timedelta(days=1)
    assert shown["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


def test_the_runbook_finds_its_five_revisions_newest_first(caller: Caller) -> None:
    arns = caller.aws("ecs").list_task_definitions(familyPrefix=names.API, sort="DESC")["taskDefinitionArns"]

    assert [int(arn.rpartition(":")[2]) for arn in arns] == [124, 123, 122, 121, 120]


def test_every_revision_was_released_after_the_one_before_it_and_before_now(
    rehearsal: Rehearsal, caller: Caller
) -> None:
    times = [definition(caller, f"{names.API}:{each}")["taskDefinition"]["registeredAt"] for each in names.API_RELEASES]

    assert times == sorted(times)
    assert len(set(times)) == 5
    assert times[-1] < rehearsal.now() - timedelta(days=1)


@pytest.mark.parametrize(("revision", "tag"), names.API_RELEASES.items())
def test_a_revision_runs_the_tag_of_its_release(caller: Caller, revision: int, tag: str) -> None:
    described = definition(caller, f"{names.API}:{revision}")

    assert container(described, "api")["image"] == names.image(names.API, tag)
    assert {"key": "release", "value": tag} in described["tags"]
    environment = {each["name"]: each["value"] for each in container(described, "api")["environment"]}
    assert environment == api_environment(revision)


def test_the_runbooks_tag_is_a_release_and_no_two_neighbours_have_one_environment() -> None:
    assert "v20240224-120000" in names.API_RELEASES.values()
    environments = [api_environment(each) for each in names.API_RELEASES]
    assert all(one != other for one, other in pairwise(environments))
    assert all("LOG_LEVEL" in each for each in environments)


def test_a_task_carries_what_a_careless_copy_would_lose(caller: Caller) -> None:
    described = definition(caller, f"{names.API}:124")
    api = container(described, "api")

    assert len(described["taskDefinition"]["containerDefinitions"]) == 2
    assert container(described, "otel")["image"] != api["image"]
    assert {"volumes", "runtimePlatform", "ephemeralStorage", "taskRoleArn"} <= set(described["taskDefinition"])
    assert {"secrets", "healthCheck", "ulimits", "mountPoints", "dependsOn", "logConfiguration"} <= set(api)


def test_the_secret_leads_to_the_database(caller: Caller) -> None:
    kept = caller.aws("secretsmanager").get_secret_value(SecretId="replaydash-production/db/password")
    secret = json.loads(kept["SecretString"])
    endpoint = caller.aws("rds").describe_db_instances(DBInstanceIdentifier=names.DATABASE)["DBInstances"][0][
        "Endpoint"
    ]
    url = urlsplit(secret["url"])

    assert (secret["host"], secret["port"]) == (endpoint["Address"], endpoint["Port"])
    assert (url.hostname, url.port) == (secret["host"], secret["port"])
    assert secret["password"] not in secret["url"]
    assert (url.username, unquote(url.password or "")) == (secret["username"], secret["password"])
    reads = container(definition(caller, f"{names.API}:124"), "api")["secrets"]
    assert reads == [{"name": "DATABASE_URL", "valueFrom": f"{kept['ARN']}:url::"}]


def test_the_secret_opens_the_database(rehearsal: Rehearsal, caller: Caller) -> None:
    kept = caller.aws("secretsmanager").get_secret_value(SecretId=names.SECRET)
    secret = json.loads(kept["SecretString"])

    assert rehearsal.login(secret["host"], secret["username"], secret["password"])
    assert not rehearsal.login(secret["host"], secret["username"], quote(secret["password"], safe=""))


def test_the_database_is_one_that_a_restore_could_get_wrong(caller: Caller) -> None:
    database = caller.aws("rds").describe_db_instances(DBInstanceIdentifier=names.DATABASE)["DBInstances"][0]

    assert (database["DBInstanceStatus"], database["PendingModifiedValues"]) == ("available", {})
    assert (database["MultiAZ"], database["DeletionProtection"], database["PubliclyAccessible"]) == (True, True, False)
    assert (database["IAMDatabaseAuthenticationEnabled"], database["CopyTagsToSnapshot"]) == (True, True)
    assert (database["BackupRetentionPeriod"], database["MaxAllocatedStorage"]) == (7, 500)
    assert (database["StorageType"], database["Iops"], database["StorageThroughput"]) == ("gp3", 3000, 125)
    assert database["DBParameterGroups"] == [
        {"DBParameterGroupName": names.PARAMETER_GROUP, "ParameterApplyStatus": "in-sync"}
    ]
    assert database["OptionGroupMemberships"][0]["OptionGroupName"] == names.OPTION_GROUP
    assert database["DBSubnetGroup"]["DBSubnetGroupName"] == names.SUBNET_GROUP
    assert database["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert (database["MonitoringInterval"], database["MonitoringRoleArn"]) == (60, names.MONITORING_ROLE)
    assert (database["PerformanceInsightsEnabled"], database["PerformanceInsightsRetentionPeriod"]) == (True, 31)
    assert {each["Key"]: each["Value"] for each in database["TagList"]} == {
        "team": "platform",
        "environment": "production",
    }


def test_a_careless_restore_of_the_database_forgets_almost_everything(rehearsal: Rehearsal, caller: Caller) -> None:
    rds = caller.aws("rds")
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="careless", DBSnapshotIdentifier=names.SNAPSHOT)
    rehearsal.advance(120)

    live, restored = (
        rds.describe_db_instances(DBInstanceIdentifier=each)["DBInstances"][0] for each in (names.DATABASE, "careless")
    )

    forgotten = {
        *("MultiAZ", "DeletionProtection", "IAMDatabaseAuthenticationEnabled", "CopyTagsToSnapshot"),
        *("AutoMinorVersionUpgrade", "DBParameterGroups", "OptionGroupMemberships", "DBSubnetGroup"),
        *("VpcSecurityGroups", "EnabledCloudwatchLogsExports", "CACertificateIdentifier", "MaxAllocatedStorage"),
        *("MonitoringInterval", "MonitoringRoleArn", "PerformanceInsightsEnabled"),
        *("PreferredBackupWindow", "PreferredMaintenanceWindow"),
    }
    assert {each for each in forgotten if restored.get(each) == live[each]} == set()
    assert rehearsal.login("careless", names.USER, names.PASSWORD)
    rds.delete_db_instance(DBInstanceIdentifier="careless", SkipFinalSnapshot=True)


def test_a_week_of_snapshots_is_there_and_one_by_hand(rehearsal: Rehearsal, caller: Caller) -> None:
    found = caller.aws("rds").describe_db_snapshots(DBInstanceIdentifier=names.DATABASE)["DBSnapshots"]
    kinds = {each["DBSnapshotIdentifier"]: each["SnapshotType"] for each in found}

    assert kinds["rds:replaydash-production-postgres-2024-02-24-03-00"] == "automated"
    assert sorted(kinds.values()) == ["automated"] * 7 + ["manual"]
    assert all(each["SnapshotCreateTime"] < rehearsal.now() for each in found)


def test_images_were_pushed_before_now_and_the_newest_is_bad(rehearsal: Rehearsal, caller: Caller) -> None:
    images = caller.aws("ecr").describe_images(repositoryName=names.API)["imageDetails"]
    images.sort(key=lambda each: each["imagePushedAt"])

    tags = [each["imageTags"][0] for each in images]
    assert tags == [*names.API_RELEASES.values(), replaydash.GOOD_TAG, replaydash.SICK_TAG, replaydash.BAD_TAG]
    assert images[-1]["imagePushedAt"] < rehearsal.now()
    assert len({each["imageDigest"] for each in images}) == 8


@pytest.mark.parametrize(
    ("tag", "ends"),
    [
        pytest.param(replaydash.GOOD_TAG, ("PRIMARY", "COMPLETED"), id="good"),
        pytest.param(replaydash.BAD_TAG, ("PRIMARY", "IN_PROGRESS"), id="bad: it is rolled back"),
    ],
)
def test_a_release_of_a_tag_that_is_not_live_yet(
    rehearsal: Rehearsal, caller: Caller, tag: str, ends: tuple[str, str]
) -> None:
    ecs = caller.aws("ecs")
    ecs.register_task_definition(
        family="try", containerDefinitions=[{"name": "a", "image": names.image(names.API, tag)}]
    )
    running = service(caller, names.API)["taskDefinition"]

    ecs.update_service(cluster=names.CLUSTER, service=names.API, taskDefinition="try")
    rehearsal.advance(20.1)

    shown = service(caller, names.API)
    assert (shown["deployments"][0]["status"], shown["deployments"][0]["rolloutState"]) == ends
    assert (shown["taskDefinition"] == running) is (tag == replaydash.BAD_TAG)
    ecs.update_service(cluster=names.CLUSTER, service=names.API, taskDefinition=f"{names.API}:124")
    rehearsal.advance(60)


def by_digest(caller: Caller, tag: str) -> str:
    found = caller.aws("ecr").describe_images(repositoryName=names.API, imageIds=[{"imageTag": tag}])["imageDetails"]
    return str(found[0]["imageDigest"])


@pytest.mark.parametrize(
    ("tag", "bad", "sick"),
    [
        pytest.param(replaydash.GOOD_TAG, False, False, id="good"),
        pytest.param(replaydash.BAD_TAG, True, False, id="bad"),
        pytest.param(replaydash.SICK_TAG, False, True, id="sick"),
    ],
)
def test_an_image_is_as_bad_by_its_digest_as_by_its_tag(
    rehearsal: Rehearsal, caller: Caller, tag: str, bad: bool, sick: bool
) -> None:
    images, digest = rehearsal._layer.images, by_digest(caller, tag)
    for name in (f":{tag}", f"@{digest}", f":{tag}@{digest}"):
        image = f"{names.REGISTRY}/{names.API}{name}"

        assert (images.is_bad(image), images.is_sick(image)) == (bad, sick), name


def test_the_worker_is_scaled_from_two_to_ten_and_the_api_is_not(caller: Caller) -> None:
    found = caller.aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]

    assert [(each["ResourceId"], each["MinCapacity"], each["MaxCapacity"]) for each in found] == [
        (f"service/{names.CLUSTER}/{names.WORKER}", 2, 10)
    ]


@pytest.mark.parametrize(
    ("host", "path", "port", "action", "priority"),
    [
        pytest.param("api.replaydash.com", "/health", 443, "forward", "10", id="the API's host rule"),
        pytest.param("www.replaydash.com", "/", 443, "forward", "default", id="the default action"),
        pytest.param("www.replaydash.com", "/.git/config", 443, "fixed-response", "20", id="a rule for a path"),
        pytest.param("api.replaydash.com", "/", 80, "redirect", "default", id="plain HTTP is sent on"),
    ],
)
def test_a_request_to_the_load_balancer(
    rehearsal: Rehearsal, host: str, path: str, port: int, action: str, priority: str
) -> None:
    met = rehearsal.route(names.ALB, host, path, port=port)

    assert (met["action"], met["priority"]) == (action, priority)
    assert [each["name"] for each in met["target_groups"]] == ([names.API] if action == "forward" else [])


def test_the_load_balancer_serves_what_the_service_registers(caller: Caller) -> None:
    group = caller.aws("elbv2").describe_target_groups(Names=[names.API])["TargetGroups"][0]

    assert [each["targetGroupArn"] for each in service(caller, names.API)["loadBalancers"]] == [group["TargetGroupArn"]]
    assert (group["TargetType"], group["HealthCheckPath"]) == ("ip", "/health")


def test_the_database_has_a_name_inside(caller: Caller) -> None:
    route53 = caller.aws("route53")
    zone = route53.list_hosted_zones_by_name(DNSName="replaydash.internal")["HostedZones"][0]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]

    assert zone["Config"]["PrivateZone"] is True
    names_of = {each["Name"]: each["ResourceRecords"][0]["Value"] for each in records if each["Type"] == "CNAME"}
    assert names_of == {"db.replaydash.internal.": names.DATABASE_HOST}


def test_alarms_are_quiet_and_there_is_a_place_for_logs(caller: Caller) -> None:
    alarms = caller.aws("cloudwatch").describe_alarms()["MetricAlarms"]
    groups = caller.aws("logs").describe_log_groups(logGroupNamePrefix="/ecs/")["logGroups"]

    assert {each["AlarmName"]: each["StateValue"] for each in alarms} == {
        "replaydash-production-5xx": "OK",
        "replaydash-production-cpu": "OK",
    }
    assert "/ecs/replaydash-production-api" in [each["logGroupName"] for each in groups]


def test_it_is_built_once_and_only_where_nothing_is(rehearsal: Rehearsal) -> None:
    with pytest.raises(ValueError, match="needs an empty one"):
        replaydash.seed(rehearsal.url)


def test_the_seed_uses_no_account_of_the_person_at_the_keyboard(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    assert code(Caller(rehearsal.url).aws("ecs").list_clusters) == ""
