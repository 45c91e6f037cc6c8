"""One commit that changes everything at once: a tag, a variable, the database's endpoint, and maintenance."""

import json
from collections import Counter

from rehearsal.replaydash_names import DATABASE_HOST, GOOD_TAG
from tests.end_to_end.world import SECRET, SERVICE, World, production

OTHER_HOST = "replaydash-production-postgres-restored.abc123.us-east-1.rds.amazonaws.com"
BEFORE = production(
    api=["task_revision: 124", "databases: [postgres]"],
    postgres=[f"endpoint: {DATABASE_HOST}"],
    maintenance=["enabled: false"],
)
WRITES = ("CreateRule", "PutSecretValue", "RegisterTaskDefinition", "UpdateService")


def after(value: str = "warn") -> str:
    """The file after that commit, with this value of its variable."""
    tag, variable = f"image_tag: {GOOD_TAG}", f"  LOG_LEVEL: {value}"
    return production(
        api=["task_revision: 123", tag, "env:", variable, "databases: [postgres]"],
        postgres=[f"endpoint: {OTHER_HOST}"],
        maintenance=["enabled: true"],
    )


def assert_enacted(world: World, before: str, value: str = "warn") -> None:
    """Everything that the commit asks for is so, and every other byte of the secret is as it was."""
    container = world.running()["taskDefinition"]["containerDefinitions"][0]
    values = {variable["name"]: variable["value"] for variable in container["environment"]}
    assert container["image"].endswith(f":{GOOD_TAG}")
    assert values["LOG_LEVEL"] == value
    assert world.primary()["rolloutState"] == "COMPLETED"
    assert json.loads(world.secret())["host"] == OTHER_HOST
    assert world.secret() == before.replace(DATABASE_HOST, OTHER_HOST)
    assert world.route()["status"] == 503


def versions(world: World) -> int:
    """How many versions the secret has had."""
    told = world.client("secretsmanager").list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)
    return len(told["Versions"])


def revisions(world: World) -> int:
    """The number of the newest revision."""
    told = world.client("ecs").list_task_definitions(familyPrefix=SERVICE, sort="DESC", maxResults=1)
    return int(told["taskDefinitionArns"][0].rpartition(":")[2])


def effects(world: World) -> Counter[str]:
    """How often each write was made."""
    return Counter(world.writes())
