"""Task definitions as ECS keeps them: nothing lost, defaults added, order not kept, and what it refuses."""

from typing import Any

import pytest

from tests.rehearsal.place import Aws, code, message

APP = {"name": "app", "image": "registry.example/app:v1"}
FARGATE = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}


def described(aws: Aws, name: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    return found


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param({"family": "no spaces"}, "Family contains invalid characters", id="the family's letters"),
        pytest.param({"containerDefinitions": []}, "cannot be empty", id="no container"),
        pytest.param({"containerDefinitions": [APP, APP]}, "must be unique", id="two containers of one name"),
        pytest.param({"containerDefinitions": [{**APP, "essential": False}]}, "essential", id="nothing essential"),
        pytest.param({"requiresCompatibilities": ["FARGATE"]}, "'cpu' and 'memory'", id="Fargate without a size"),
        pytest.param(
            {"requiresCompatibilities": ["FARGATE"], "cpu": "256"}, "'cpu' and 'memory'", id="Fargate with half a size"
        ),
        pytest.param(
            {"containerDefinitions": [{**APP, "command": ["x" * 65536]}]},
            "Max allowed length is '65536' bytes",
            id="65,536 bytes",
        ),
        pytest.param(
            {
                "containerDefinitions": [
                    {
                        **APP,
                        "environment": [{"name": "TOKEN", "value": "x"}],
                        "secrets": [{"name": "TOKEN", "valueFrom": "arn:aws:ssm:…"}],
                    }
                ]
            },
            "'TOKEN'",
            id="one name in env and secrets",
        ),
    ],
)
def test_registering_refuses(aws: Aws, sent: dict[str, Any], said: str) -> None:
    call = {"family": "refused", "networkMode": "awsvpc", "containerDefinitions": [APP]} | sent

    assert code(aws.ecs.register_task_definition, **call) == "ClientException"
    assert said in message(aws.ecs.register_task_definition, **call)
    assert aws.ecs.list_task_definitions(familyPrefix="refused")["taskDefinitionArns"] == []


def test_65536_bytes_count_the_whole_request(aws: Aws) -> None:
    family = aws.name("family")
    fits = 65536 - len(f'{{"family":"{family}","containerDefinitions":[{{"name":"app","image":"i","command":[""]}}]}}')

    def register(length: int) -> str:
        container = {"name": "app", "image": "i", "command": ["x" * length]}
        return code(aws.ecs.register_task_definition, family=family, containerDefinitions=[container])

    assert register(fits) == ""
    assert register(fits + 1) == "ClientException"


def test_the_same_content_twice_is_two_revisions(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v1")

    assert described(aws, family)["revision"] == 2


def test_a_family_can_be_told_where_to_count_from(aws: Aws) -> None:
    aws.caller.ask("families", region="us-east-1", family="grown-up", first=120)

    arns = [aws.register("grown-up", [APP]) for _ in range(2)]

    assert [arn.rpartition(":")[2] for arn in arns] == ["120", "121"]


def test_the_defaults_of_aws_are_added(aws: Aws) -> None:
    family = aws.name("family")
    aws.register(
        family, [{**APP, "portMappings": [{"containerPort": 80}], "healthCheck": {"command": ["CMD", "true"]}}]
    )

    container = described(aws, family)["containerDefinitions"][0]

    assert container == {
        **APP,
        "cpu": 0,
        "essential": True,
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
        "healthCheck": {"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3},
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }


def test_what_only_the_answer_has_is_there(aws: Aws) -> None:
    shown = described(aws, aws.family(**FARGATE))

    assert shown["status"] == "ACTIVE"
    assert shown["compatibilities"] == ["EC2", "FARGATE"]
    assert {"name": "ecs.capability.task-eni"} in shown["requiresAttributes"]
    assert shown["registeredBy"].startswith("arn:aws:iam::123456789012:")
    assert abs((shown["registeredAt"] - aws.rehearsal.now()).total_seconds()) < 60


def test_nothing_that_was_sent_is_lost(aws: Aws) -> None:
    family = aws.name("family")
    sent: dict[str, Any] = {
        **FARGATE,
        "enableFaultInjection": True,
        "ephemeralStorage": {"sizeInGiB": 30},
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "pidMode": "task",
        "volumes": [{"name": "data"}],
        "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    }
    container = {
        **APP,
        "versionConsistency": "disabled",
        "restartPolicy": {"enabled": True},
        "command": ["b", "a"],
        "dependsOn": [{"containerName": "app", "condition": "START"}],
    }
    aws.register(family, [container], **sent)

    shown = described(aws, family)

    assert {name: shown[name] for name in sent} == sent
    assert {name: shown["containerDefinitions"][0][name] for name in container} == container


def test_the_order_of_the_environment_is_not_kept_and_nothing_of_it_is_lost(aws: Aws) -> None:
    family = aws.name("family")
    environment = [{"name": f"V{each}", "value": str(each)} for each in range(12)]
    aws.register(family, [{**APP, "environment": environment}])

    shown = described(aws, family)["containerDefinitions"][0]["environment"]

    assert shown != environment
    assert sorted(shown, key=lambda pair: int(pair["value"])) == environment


def test_an_empty_value_of_a_variable_stays(aws: Aws) -> None:
    family = aws.name("family")
    aws.register(family, [{**APP, "environment": [{"name": "EMPTY", "value": ""}]}])

    assert described(aws, family)["containerDefinitions"][0]["environment"] == [{"name": "EMPTY", "value": ""}]


def test_tags_stand_beside_the_definition_and_only_when_asked_for(aws: Aws) -> None:
    family = aws.name("family")
    tags = [{"key": "team", "value": "platform"}]
    aws.register(family, [APP], tags=tags)

    assert "tags" not in aws.ecs.describe_task_definition(taskDefinition=family)
    answer = aws.ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    assert answer["tags"] == tags
    assert "tags" not in answer["taskDefinition"]


def test_an_empty_list_of_tags_is_refused(aws: Aws) -> None:
    call = {"family": "untagged", "containerDefinitions": [APP], "tags": []}

    assert code(aws.ecs.register_task_definition, **call) == "InvalidParameterException"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        pytest.param({}, [1, 2, 3, 10, 11], id="ascending unless asked"),
        pytest.param({"sort": "DESC"}, [11, 10, 3, 2, 1], id="descending"),
    ],
)
def test_revisions_are_listed_by_number(aws: Aws, sort: dict[str, str], expected: list[int]) -> None:
    family = aws.family(*["registry.example/app:v1"] * 11)
    for gone in range(4, 10):
        aws.ecs.deregister_task_definition(taskDefinition=f"{family}:{gone}")

    arns = aws.ecs.list_task_definitions(familyPrefix=family, **sort)["taskDefinitionArns"]

    assert [int(arn.rpartition(":")[2]) for arn in arns] == expected


def test_revisions_come_in_pages_of_a_hundred_at_most(aws: Aws) -> None:
    family = aws.family(*["registry.example/app:v1"] * 115)
    pages = list(aws.ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, sort="DESC"))
    short = aws.ecs.list_task_definitions(familyPrefix=family, maxResults=7)

    assert [len(page["taskDefinitionArns"]) for page in pages] == [100, 15]
    assert len(short["taskDefinitionArns"]) == 7
    assert code(aws.ecs.list_task_definitions, maxResults=101) == "InvalidParameterException"
    assert code(aws.ecs.list_task_definitions, nextToken="nonsense") == "InvalidParameterException"


def test_only_the_exact_family_is_listed(aws: Aws) -> None:
    family = aws.family()
    aws.register(f"{family}-and-more", [APP])

    assert len(aws.ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]) == 1


def test_a_family_is_its_newest_active_revision(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v2")
    aws.ecs.deregister_task_definition(taskDefinition=f"{family}:2")

    assert described(aws, family)["revision"] == 1
    retired = described(aws, f"{family}:2")
    assert retired["status"] == "INACTIVE"
    assert "deregisteredAt" in retired


def test_a_revision_number_is_never_used_again(aws: Aws) -> None:
    family = aws.family("registry.example/app:v1", "registry.example/app:v2")
    aws.ecs.deregister_task_definition(taskDefinition=f"{family}:2")
    aws.ecs.delete_task_definitions(taskDefinitions=[f"{family}:2"])

    assert aws.register(family, [APP]).endswith(f"{family}:3")
    assert described(aws, f"{family}:2")["status"] == "DELETE_IN_PROGRESS"


def test_an_active_revision_is_not_deleted(aws: Aws) -> None:
    family = aws.family()

    answer = aws.ecs.delete_task_definitions(taskDefinitions=[f"{family}:1"])

    assert answer["taskDefinitions"] == []
    assert "ACTIVE" in answer["failures"][0]["reason"]


@pytest.mark.parametrize("name", ["nobody", "nobody:1", "nobody:x"])
def test_a_revision_that_is_not_there_is_refused(aws: Aws, name: str) -> None:
    assert code(aws.ecs.describe_task_definition, taskDefinition=name) == "ClientException"


def test_deregistering_takes_a_revision_and_not_a_family(aws: Aws) -> None:
    assert code(aws.ecs.deregister_task_definition, taskDefinition=aws.family()) == "InvalidParameterException"


def test_families_are_listed_by_prefix_and_by_whether_any_revision_is_active(aws: Aws) -> None:
    for family in ("listed-one", "listed-two"):
        aws.register(family, [APP])
    aws.ecs.deregister_task_definition(taskDefinition="listed-two:1")

    def families(status: str) -> list[str]:
        found: list[str] = aws.ecs.list_task_definition_families(familyPrefix="listed-", status=status)["families"]
        return found

    assert families("ACTIVE") == ["listed-one"]
    assert families("INACTIVE") == ["listed-two"]
    assert families("ALL") == ["listed-one", "listed-two"]
