"""What going back to another revision would bring: names of what differs, and never a value."""

from typing import Any

import pytest

from reconcilers.releases import Difference, difference

Content = dict[str, Any]


def content(*containers: Content, **more: Any) -> Content:
    return {"family": "api", "containerDefinitions": list(containers) or [container()], **more}


def container(name: str = "api", image: str = "r/api:v1", **more: Any) -> Content:
    env = more.pop("env", {})
    variables = [{"name": key, "value": value} for key, value in env.items()]
    return {"name": name, "image": image, "environment": variables, **more}


@pytest.mark.parametrize(
    ("running", "other", "expected"),
    [
        pytest.param(content(), content(container(image="r/api:v2")), Difference(), id="an image is told by itself"),
        pytest.param(
            content(container(env={"A": "1", "B": "2", "C": "3"})),
            content(container(env={"A": "1", "B": "x", "D": "4"})),
            Difference(comes=("D",), goes=("C",), changes=("B",)),
            id="variables",
        ),
        pytest.param(
            content(container(env={"A": "1", "B": "2"})),
            content(container(env={"B": "2", "A": "1"}, cpu=0)),
            Difference(),
            id="order and defaults are no difference",
        ),
        pytest.param(
            content(container(secrets=[{"name": "P", "valueFrom": "arn:a"}]), cpu="256"),
            content(container(secrets=[{"name": "P", "valueFrom": "arn:b"}]), cpu="512"),
            Difference(others=("cpu", "secrets")),
            id="other settings by name",
        ),
        pytest.param(
            content(),
            content(container(), container("sidecar")),
            Difference(others=("containers",)),
            id="another container",
        ),
    ],
)
def test_what_differs_is_named(running: Content, other: Content, expected: Difference) -> None:
    assert difference(running, other) == expected


def test_no_value_of_a_variable_is_ever_told() -> None:
    found = difference(content(container(env={"TOKEN": "hunter2"})), content(container(env={"TOKEN": "hunter3"})))

    assert "hunter" not in repr(found)
