"""A task definition's content: laid over, normalised and compared. Pure: no AWS, no clock."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reconcilers.contract import Drift, Stalled

Content = dict[str, Any]  # what RegisterTaskDefinition takes, without tags

MAX_BYTES = 65_536  # of one RegisterTaskDefinition request
# ECS returns these in any order; command, entryPoint, dependsOn and all others keep theirs.
_UNORDERED = frozenset(
    {
        "containerDefinitions",
        "environment",
        "inferenceAccelerators",
        "links",
        "mountPoints",
        "portMappings",
        "requiresCompatibilities",
        "resourceRequirements",
        "secrets",
        "systemControls",
        "ulimits",
        "volumes",
        "volumesFrom",
    }
)
_UNITS = {"vcpu": 1024, "gb": 1024}


def overlay(content: Content, container: str | None, image_tag: str | None, env: Mapping[str, str | None]) -> Content:
    """The content with an image tag (or digest) and environment variables laid over one container.

    A variable whose value is None is absent from the result. Raises Stalled where this cannot be done.
    """
    if not image_tag and not env:
        return content
    chosen = _chosen(content, container)
    changed = dict(chosen)
    if image_tag:
        changed["image"] = retagged(chosen["image"], image_tag)
    if env:
        changed["environment"] = _environment(chosen, env)
    containers = [changed if each is chosen else each for each in content["containerDefinitions"]]
    return content | {"containerDefinitions": containers}


def retagged(image: str, tag: str) -> str:
    """The same repository with another tag or `sha256:…` digest. A registry's port is not a tag."""
    repository = repository_of(image)
    return f"{repository}@{tag}" if tag.startswith("sha256:") else f"{repository}:{tag}"


def repository_of(image: str) -> str:
    """The image's name without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def same(one: Content, other: Content) -> bool:
    """Whether two contents mean the same to ECS: its defaults, its order and its spelling of sizes do not count."""
    return normalised(one) == normalised(other)


@lru_cache(maxsize=8192)
def runs_overlay(running: str, base: str, container: str | None, image_tag: str | None, env: tuple[Any, ...]) -> bool:
    """Whether the running content (JSON text) is the base's with this overlay. Texts are immutable: cached."""
    return same(json.loads(running), overlay(json.loads(base), container, image_tag, dict(env)))


def normalised(content: Content) -> Content:
    """The content as ECS would tell it after it had forgotten which defaults were spelled out."""
    told = _pruned(content | {"containerDefinitions": [_container(c, content) for c in _containers(content)]})
    for size in ("cpu", "memory"):
        if size in told:
            told[size] = _size(told[size])
    return {name: _ordered(name, value) for name, value in told.items()}


def mark(base_arn: str, content: Content) -> str:
    """A digest of where a revision came from and what its containers run.

    It tells a revision that trueup registered from one that somebody else cloned together with its tags.
    """
    runs = [(c["name"], c.get("image"), sorted(map(_pair, c.get("environment") or []))) for c in _containers(content)]
    return hashlib.sha256(json.dumps([base_arn, sorted(runs)]).encode()).hexdigest()[:40]


def drifts(running: Content, desired: Content) -> tuple[Drift, ...]:
    """What a person would call the difference: images and variables by name. Live values may be secret: not shown."""
    found: list[Drift] = []
    live = {c["name"]: c for c in _containers(running)}
    for container in _containers(desired):
        found += _container_drifts(live.get(container["name"], {}), container)
    return tuple(found)


def _container_drifts(live: Mapping[str, Any], desired: Mapping[str, Any]) -> list[Drift]:
    found = []
    if live.get("image") != desired.get("image"):
        found.append(_image_drift(str(live.get("image", "none")), str(desired.get("image"))))
    before, after = (dict(map(_pair, c.get("environment") or [])) for c in (live, desired))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            was = "absent" if name not in before else "another value"
            found.append(Drift(f"env.{name}", was, "absent" if name not in after else "the pinned value"))
    return found


def _image_drift(live: str, desired: str) -> Drift:
    """In the words of the file where only the tag differs."""
    repository = repository_of(desired)
    if repository_of(live) != repository:
        return Drift("image", live, desired)
    tags = [image.removeprefix(repository)[1:] or "no tag" for image in (live, desired)]
    return Drift("image_tag", *tags)


def _chosen(content: Content, container: str | None) -> Mapping[str, Any]:
    containers = _containers(content)
    names = ", ".join(sorted(c["name"] for c in containers))
    if container is None and len(containers) > 1:
        raise Stalled(f"the task definition has several containers ({names}): say which one with `container:`")
    chosen = [c for c in containers if container in (None, c["name"])]
    if not chosen:
        raise Stalled(f"the task definition has no container {container!r}; it has {names}")
    return chosen[0]


def _environment(container: Mapping[str, Any], env: Mapping[str, str | None]) -> list[dict[str, str]]:
    secret = sorted(env.keys() & {s["name"] for s in container.get("secrets") or []})
    if secret:
        raise Stalled(
            f"env.{secret[0]}: the base revision takes this variable from a secret, and ECS refuses both; "
            "take it out of `env`, or pin a base revision that does not carry it in `secrets`"
        )
    kept = [v for v in container.get("environment") or [] if v["name"] not in env]
    return kept + [{"name": name, "value": value} for name, value in sorted(env.items()) if value is not None]


def _containers(content: Content) -> list[dict[str, Any]]:
    return content.get("containerDefinitions") or []


def _pair(variable: Mapping[str, str]) -> tuple[str, str]:
    return variable["name"], variable.get("value", "")


def _container(container: Mapping[str, Any], content: Content) -> Content:
    told = {"essential": True} | {name: value for name, value in container.items() if (name, value) != ("cpu", 0)}
    if told.get("portMappings"):
        mode = content.get("networkMode") or "bridge"
        told["portMappings"] = [_port(port, mode) for port in told["portMappings"]]
    if told.get("healthCheck"):
        told["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **told["healthCheck"]}
    pruned: Content = _pruned(told)
    return {name: _ordered(name, value) for name, value in pruned.items()}


def _port(port: Mapping[str, Any], mode: str) -> Content:
    told: Content = {"protocol": "tcp", **port}
    if mode in ("awsvpc", "host"):
        told.setdefault("hostPort", told.get("containerPort"))
    elif told.get("hostPort") == 0:
        del told["hostPort"]
    return told


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        pruned = {name: _pruned(each) for name, each in value.items()}
        return {name: each for name, each in pruned.items() if each is not None and each not in ([], {})}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def _ordered(name: str, value: Any) -> Any:
    if name in _UNORDERED and isinstance(value, list):
        return sorted(value, key=lambda each: json.dumps(each, sort_keys=True, default=str))
    return value


def _size(value: Any) -> str:
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*(vcpu|gb)?\s*", str(value).lower())
    if match is None:
        return str(value)
    number = float(match[1]) * _UNITS.get(match[2] or "", 1)
    return str(int(number)) if number.is_integer() else str(number)
