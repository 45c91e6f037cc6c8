"""The variables of a revision: those of one container, and where they are not to be had."""

import json
from typing import Any

import pytest

from reconcilers.contract import Stalled
from reconcilers.ecs_records import Revision
from reconcilers.variables import variables

API: dict[str, Any] = {
    "name": "api",
    "environment": [{"name": "A", "value": "1"}, {"name": "B"}],
    "secrets": [{"name": "S", "valueFrom": "arn:x"}],
    "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/f.env"}],
}


def revision(*containers: dict[str, Any]) -> Revision:
    text = json.dumps({"containerDefinitions": containers})
    return Revision("arn:aws:ecs:us-east-1:123456789012:task-definition/api:7", True, {}, text)


@pytest.mark.parametrize(
    ("containers", "named"), [([API], None), ([API, {"name": "otel"}], "api")], ids=["the only one", "the one named"]
)
def test_the_variables_of_a_container(containers: list[dict[str, Any]], named: str | None) -> None:
    found = variables(revision(*containers), named)

    assert (found.revision, found.plain, found.secrets) == ("api:7", {"A": "1", "B": ""}, {"S": "arn:x"})
    assert found.files == ("arn:aws:s3:::b/f.env",)
    assert "1" not in f"{found}".replace("api:7", "").replace("arn", "")


@pytest.mark.parametrize(
    ("named", "why"),
    [
        pytest.param(None, r"several containers \(api, otel\); add container", id="none of several"),
        pytest.param("web", "has no container web; it has api, otel", id="one that is not there"),
    ],
)
def test_a_container_that_cannot_be_told_stalls(named: str | None, why: str) -> None:
    with pytest.raises(Stalled, match=why):
        variables(revision(API, {"name": "otel"}), named)
