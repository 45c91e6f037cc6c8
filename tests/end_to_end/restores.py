"""The commit that leads production to a restored database, and what it takes to see that it did."""

import json
from typing import Any
from urllib.parse import quote

from rehearsal.caller import Caller
from rehearsal.replaydash_names import (
    DATABASE,
    DATABASE_HOST,
    DATABASE_NAME,
    PASSWORD,
    SNAPSHOT,
    USER,
    ZONE,
)
from tests.end_to_end.inside import Inside
from tests.end_to_end.world import SECRET, World, production

INSTANCE = f"{DATABASE}-restored"
RECORD = f"db.{ZONE}"
NAME = f"dns: {{zone: {ZONE}, record: {RECORD}, ttl: 30}}"
ROTATED = "n3w/not:in%the?snapshot"  # what a person would choose; RDS takes no slash
FIT = "n3w-not:in%the?snapshot#2"
RESTORE = "RestoreDBInstanceFromDBSnapshot"
WRITES = (
    RESTORE,
    "ModifyDBInstance",  # the password
    "AddTagsToResource",
    "PutSecretValue",
    "ChangeResourceRecordSets",
    "ModifyDBInstance",  # the settings that a restore does not take
    "AddTagsToResource",
    "UpdateService",
)
REVERTED = ("PutSecretValue", "ChangeResourceRecordSets", "UpdateService")


def address(instance: str = INSTANCE) -> str:
    """Where an instance of this name listens."""
    return DATABASE_HOST.replace(DATABASE, instance, 1)


def pinned(*more: str, host: str = DATABASE_HOST, name: str = NAME, **others: Any) -> str:
    """Production as it is: on the database that is in use, which a name follows."""
    return _production([f"endpoint: {host}", *_following(name), *more], **others)


def restoring(
    *more: str,
    snapshot: str = SNAPSHOT,
    instance: str = INSTANCE,
    like: str = DATABASE,
    name: str = NAME,
    settings: tuple[str, ...] = (),
    **others: Any,
) -> str:
    """Production on a database that is restored from a snapshot."""
    lines = [f"snapshot: {snapshot}", f"instance: {instance}", *([f"like: {like}"] if like else []), *settings]
    return _production(["restore:", *(f"  {line}" for line in lines), *_following(name), *more], **others)


def going_back(instant: str, *more: str, of: str = DATABASE, instance: str = INSTANCE) -> str:
    """Production on a database that is restored to a point in time."""
    lines = [f"to_time: {instant}", f"of: {of}", f"instance: {instance}", f"like: {DATABASE}"]
    return _production(["restore:", *(f"  {line}" for line in lines), NAME, *more])


def _production(postgres: list[str], **others: Any) -> str:
    return production(postgres=postgres, **{"api": ["databases: [postgres]"], **others})


def _following(name: str) -> list[str]:
    return [name] if name else []


def rotate(world: World, password: str = FIT, user: str = USER) -> None:
    """The password of the database in use and of its secret is another one than when the snapshots were taken."""
    rds = world.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=DATABASE, MasterUserPassword=password, ApplyImmediately=True)
    world.aws.advance(2)
    put(world, document(password, user))


def document(password: str, user: str = USER, host: str = DATABASE_HOST) -> str:
    """The secret's text with this user and password, oddly spaced, and with a key of the team's own."""
    url = f"postgresql://{user}:{quote(password, safe='')}@{host}:5432/{DATABASE_NAME}?schema=public"
    keys = {"username": user, "password": password, "host": host, "port": 5432, "dbname": DATABASE_NAME, "url": url}
    return json.dumps({**keys, "note": "ours — keep"}, indent=3, ensure_ascii=False) + "\n"


def put(world: World, text: str) -> str:
    """Write the secret, as a person does. The id of the new version."""
    told = world.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)
    world.aws.clear_calls()
    return str(told["VersionId"])


def following(world: World, text: str | None = None, **how: Any) -> Inside:
    """The loop, in sync with this file; the calls that led there are forgotten."""
    world.git.commit(text or pinned())
    run = at_rest(Inside(world, **how))
    assert run.in_sync(), run.reasons()
    world.aws.clear_calls()
    return run


def committed(world: World, text: str, **how: Any) -> Inside:
    """The loop of a new process, after as many passes over this file as it takes to settle."""
    world.git.commit(text)
    return at_rest(Inside(world, **how))


def at_rest(run: Inside) -> Inside:
    """The loop, once a look at everything has found nothing more to do."""
    run.converge()
    run.wait(31)
    run.settle()
    return run


def begun(world: World, text: str) -> Inside:
    """The loop of a new process that has taken this file in, and has not looked yet."""
    world.git.commit(text)
    run = Inside(world)
    run.loop.poll()
    return run


def pass_time(run: Inside, minutes: float) -> None:
    """Passes at the daemon's own pace for so long, whatever comes of them."""
    left = 60.0 * minutes
    while left > 0:
        wait = max(run.step(), 0.5)
        run.wait(wait)
        left -= wait


def looked(world: World, text: str, minutes: float = 5) -> Inside:
    """The loop of a new process, some minutes after the commit of this file."""
    run = begun(world, text)
    pass_time(run, minutes)
    return run


def assert_stalled(world: World, run: Inside, *said: str) -> None:
    """Nothing was written, and the reason says all this, and nothing that is secret."""
    reason = run.reasons()["postgres"]
    assert (run.conditions()["postgres"], world.writes()) == ("stalled", []), reason
    assert [part for part in said if part not in reason] == [], reason
    assert PASSWORD not in reason


def control(world: World, what: str, **sent: Any) -> Any:
    """What only the rehearsal can do."""
    return Caller(world.aws.url).ask(what, **sent)


def shown(world: World, instance: str = INSTANCE) -> dict[str, Any]:
    """An instance as DescribeDBInstances shows it; empty where there is none."""
    told = world.client("rds").describe_db_instances()["DBInstances"]
    return next((each for each in told if each["DBInstanceIdentifier"] == instance), {})


def tags(world: World, instance: str = INSTANCE) -> dict[str, str]:
    """The tags of an instance."""
    return {tag["Key"]: tag["Value"] for tag in shown(world, instance)["TagList"]}


def leads_to(world: World, name: str = RECORD) -> str:
    """Where the name leads."""
    route53 = world.client("route53")
    zone = route53.list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"][0]["Id"]
    told = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return next((each["ResourceRecords"][0]["Value"] for each in told if each["Name"] == f"{name}."), "")


def logs_in(world: World, instance: str = INSTANCE) -> bool:
    """Whether the user and the password of the secret let somebody into an instance."""
    told = json.loads(world.secret())
    return world.aws.login(instance, told["username"], told["password"])


def assert_led_to(world: World, before: str, instance: str = INSTANCE, was: str = DATABASE) -> None:
    """Secret, name and tasks lead to this instance, and every other byte of the secret is as it was."""
    assert world.secret() == before.replace(address(was), address(instance))
    assert leads_to(world) == address(instance)
    assert logs_in(world, instance)
    assert world.primary()["rolloutState"] == "COMPLETED"
    written = max(each["CreatedDate"] for each in versions(world))
    assert world.primary()["createdAt"] > written, "every task is younger than the secret"


def versions(world: World) -> list[dict[str, Any]]:
    """Every version of the secret."""
    told = world.client("secretsmanager").list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)
    return list(told["Versions"])


def operations(world: World, name: str) -> list[dict[str, Any]]:
    """The calls of one operation, whatever came of them."""
    return [call for call in world.aws.calls() if call["operation"] == name]
