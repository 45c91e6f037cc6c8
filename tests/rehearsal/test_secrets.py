"""Secrets Manager: versions, their stages, and the token that makes a write safe to repeat."""

from typing import Any

import pytest

from tests.rehearsal.place import Aws, code

FIRST, SECOND, THIRD = (f"{each}" * 32 for each in "123")


@pytest.fixture
def secrets(aws: Aws) -> Any:
    return aws.caller.aws("secretsmanager")


@pytest.fixture
def name(aws: Aws, secrets: Any) -> str:
    """A secret with one version, FIRST."""
    name = aws.name("team/secret")
    secrets.create_secret(Name=name, SecretString="one", ClientRequestToken=FIRST)
    return name


def stages(secrets: Any, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    return found


def current(secrets: Any, name: str) -> str:
    return str(secrets.get_secret_value(SecretId=name)["SecretString"])


def test_a_put_moves_current_and_previous_follows(secrets: Any, name: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)

    assert stages(secrets, name) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}
    assert current(secrets, name) == "two"
    previous = secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    assert (previous["SecretString"], previous["VersionId"]) == ("one", FIRST)


def test_a_version_without_a_stage_is_no_longer_shown(secrets: Any, name: str) -> None:
    for token, value in ((SECOND, "two"), (THIRD, "three")):
        secrets.put_secret_value(SecretId=name, SecretString=value, ClientRequestToken=token)

    assert stages(secrets, name) == {SECOND: ["AWSPREVIOUS"], THIRD: ["AWSCURRENT"]}
    deprecated = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
    assert {each["VersionId"] for each in deprecated} == {FIRST, SECOND, THIRD}
    assert len(secrets.list_secret_version_ids(SecretId=name)["Versions"]) == 2


def test_the_same_token_with_the_same_value_changes_nothing(secrets: Any, name: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)
    before = secrets.describe_secret(SecretId=name)

    again = secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)

    assert again["VersionId"] == SECOND
    after = secrets.describe_secret(SecretId=name)
    assert {**after, "ResponseMetadata": 0} == {**before, "ResponseMetadata": 0}


def test_an_old_token_with_its_value_does_not_make_it_current_again(secrets: Any, name: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)

    secrets.put_secret_value(SecretId=name, SecretString="one", ClientRequestToken=FIRST)

    assert current(secrets, name) == "two"


def test_the_same_token_with_another_value_is_refused(secrets: Any, name: str) -> None:
    sent = {"SecretId": name, "SecretString": "another", "ClientRequestToken": FIRST}

    assert code(secrets.put_secret_value, **sent) == "ResourceExistsException"
    assert current(secrets, name) == "one"


def test_update_secret_makes_a_version_only_of_a_value(secrets: Any, name: str) -> None:
    about = secrets.update_secret(SecretId=name, Description="about it")
    value = secrets.update_secret(SecretId=name, SecretString="two", ClientRequestToken=SECOND)

    assert ("VersionId" in about, value["VersionId"]) == (False, SECOND)
    assert stages(secrets, name) == {FIRST: ["AWSPREVIOUS"], SECOND: ["AWSCURRENT"]}
    assert secrets.describe_secret(SecretId=name)["Description"] == "about it"


def test_update_secret_refuses_a_token_that_was_used(secrets: Any, name: str) -> None:
    sent = {"SecretId": name, "SecretString": "one", "ClientRequestToken": FIRST}

    assert code(secrets.update_secret, **sent) == "ResourceExistsException"


def test_a_token_is_no_longer_than_64_characters(secrets: Any, name: str) -> None:
    sent = {"SecretId": name, "SecretString": "x"}

    assert code(secrets.put_secret_value, **sent, ClientRequestToken="x" * 65) == "InvalidParameterException"
    assert code(secrets.put_secret_value, **sent, ClientRequestToken="x" * 64) == ""


def test_moving_current_back_is_what_a_plain_get_reads(secrets: Any, name: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)
    secrets.put_secret_value(SecretId=name, SecretString="three", ClientRequestToken=THIRD)

    secrets.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=THIRD, MoveToVersionId=SECOND
    )

    assert current(secrets, name) == "two"
    assert stages(secrets, name) == {SECOND: ["AWSCURRENT"], THIRD: ["AWSPREVIOUS"]}


def test_moving_current_back_changes_the_time_of_the_secret_and_not_of_the_version(
    aws: Aws, secrets: Any, name: str
) -> None:
    aws.rehearsal.advance(100)
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)
    created = secrets.get_secret_value(SecretId=name, VersionId=FIRST)["CreatedDate"]
    changed = secrets.describe_secret(SecretId=name)["LastChangedDate"]
    aws.rehearsal.advance(100)

    secrets.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=SECOND, MoveToVersionId=FIRST
    )

    assert secrets.get_secret_value(SecretId=name)["CreatedDate"] == created
    assert (secrets.describe_secret(SecretId=name)["LastChangedDate"] - changed).total_seconds() >= 100


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param({"MoveToVersionId": FIRST}, "InvalidParameterException", id="without saying from where"),
        pytest.param(
            {"MoveToVersionId": FIRST, "RemoveFromVersionId": FIRST}, "InvalidParameterException", id="from elsewhere"
        ),
        pytest.param({"RemoveFromVersionId": SECOND}, "InvalidParameterException", id="to nowhere"),
        pytest.param(
            {"MoveToVersionId": THIRD, "RemoveFromVersionId": SECOND},
            "ResourceNotFoundException",
            id="to a version that is not there",
        ),
    ],
)
def test_current_is_not_moved(secrets: Any, name: str, sent: dict[str, str], expected: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)

    assert code(secrets.update_secret_version_stage, SecretId=name, VersionStage="AWSCURRENT", **sent) == expected
    assert current(secrets, name) == "two"


def test_a_pending_version_is_beside_the_current_one(secrets: Any, name: str) -> None:
    secrets.put_secret_value(
        SecretId=name, SecretString="next", ClientRequestToken=SECOND, VersionStages=["AWSPENDING"]
    )

    assert stages(secrets, name) == {FIRST: ["AWSCURRENT"], SECOND: ["AWSPENDING"]}
    assert current(secrets, name) == "one"


def test_a_secret_is_found_by_name_by_arn_and_by_arn_without_its_end(secrets: Any, name: str) -> None:
    arn = secrets.describe_secret(SecretId=name)["ARN"]

    assert [current(secrets, each) for each in (name, arn, arn[:-7])] == ["one"] * 3
    assert code(secrets.get_secret_value, SecretId=name[:-1] + "x") == "ResourceNotFoundException"


def test_a_secret_that_was_deleted_is_described_and_neither_read_nor_written(secrets: Any, name: str) -> None:
    secrets.delete_secret(SecretId=name)

    assert "DeletedDate" in secrets.describe_secret(SecretId=name)
    assert code(secrets.get_secret_value, SecretId=name) == "InvalidRequestException"
    assert code(secrets.put_secret_value, SecretId=name, SecretString="x") == "InvalidRequestException"
    secrets.restore_secret(SecretId=name)
    assert current(secrets, name) == "one"


def test_a_name_is_taken_once(secrets: Any, name: str) -> None:
    assert code(secrets.create_secret, Name=name, SecretString="x") == "ResourceExistsException"


def test_a_version_is_read_by_its_id_or_its_stage_and_both_have_to_agree(secrets: Any, name: str) -> None:
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=SECOND)
    get = secrets.get_secret_value

    assert get(SecretId=name, VersionId=FIRST)["SecretString"] == "one"
    assert code(get, SecretId=name, VersionStage="AWSPENDING") == "ResourceNotFoundException"
    assert code(get, SecretId=name, VersionId=THIRD) == "ResourceNotFoundException"
    assert code(get, SecretId=name, VersionId=FIRST, VersionStage="AWSCURRENT") == "ResourceNotFoundException"


def test_tags_are_set_and_taken_away(secrets: Any, name: str) -> None:
    secrets.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    secrets.untag_resource(SecretId=name, TagKeys=["a"])

    listed = {each["Name"]: each for each in secrets.list_secrets()["SecretList"]}
    assert secrets.describe_secret(SecretId=name)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert listed[name]["SecretVersionsToStages"] == {FIRST: ["AWSCURRENT"]}


def test_a_secret_that_is_deleted_by_force_is_gone(secrets: Any, name: str) -> None:
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    assert code(secrets.describe_secret, SecretId=name) == "ResourceNotFoundException"
