"""Secrets Manager as AWS runs it: versions, their stages and what moves them."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rehearsal.clock import Clock
from rehearsal.secret_values import Secret, staged, with_version
from rehearsal.wire import ACCOUNT, Answer, Call, Refused, Unsupported, told

_PAST = 60  # how many earlier states of a secret a stale read can go back through
_NOT_FOUND = "Secrets Manager can't find the specified secret."

Params = dict[str, Any]


class Secrets:
    """The Secrets Manager of every region."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secrets: dict[tuple[str, str], list[tuple[float, Secret]]] = {}  # oldest first, each since its instant
        self._operations: Mapping[str, Callable[[str, Params], Params]] = {
            "CreateSecret": self._create,
            "DescribeSecret": self._describe,
            "GetSecretValue": self._get,
            "PutSecretValue": self._put,
            "UpdateSecret": self._update,
            "UpdateSecretVersionStage": self._move,
            "ListSecretVersionIds": self._list_versions,
            "ListSecrets": self._list,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "DeleteSecret": self._delete,
            "RestoreSecret": self._restore,
        }

    def answer(self, call: Call, *, ago: float = 0.0) -> Answer:
        """The answer to a call; a stale one where `ago` is not 0 and the operation is DescribeSecret."""
        if ago and call.operation == "DescribeSecret":
            return told(self._describe(call.region, call.params, ago=ago))
        operation = self._operations.get(call.operation)
        if operation is None:
            raise Unsupported(f"secretsmanager {call.operation}")
        return told(operation(call.region, call.params))

    def _create(self, region: str, params: Params) -> Params:
        name, now = params["Name"], self._clock.now()
        if (region, name) in self._secrets:
            raise Refused("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        suffix = hashlib.sha256(f"{region}{name}{now}".encode()).hexdigest()[:6]
        secret = Secret(
            arn=f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-{suffix}",
            name=name,
            created=now,
            changed=now,
            about=_about(params),
            tags={tag["Key"]: tag["Value"] for tag in params.get("Tags", ())},
            versions={},
        )
        told_version: Params = {}
        if value := _value(params):
            secret, version = with_version(secret, _token(params), value, ["AWSCURRENT"], now)
            told_version = {"VersionId": version.id}
        self._secrets[region, name] = [(now, secret)]
        return {"ARN": secret.arn, "Name": name, **told_version}

    def _describe(self, region: str, params: Params, *, ago: float = 0.0) -> Params:
        secret = self._found(region, params["SecretId"], ago=ago)
        owner, deleted = secret.about.get("OwningService"), secret.deleted
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            **secret.about,
            "CreatedDate": round(secret.created, 3),
            "LastChangedDate": round(secret.changed, 3),
            "Tags": [{"Key": key, "Value": value} for key, value in secret.tags.items()],
            "VersionIdsToStages": {each.id: sorted(each.stages) for each in secret.versions.values() if each.stages},
            **({"DeletedDate": deleted} if deleted is not None else {}),
            **({"OwningService": owner} if owner else {}),
        }

    def _get(self, region: str, params: Params) -> Params:
        secret = self._usable(region, params["SecretId"])
        stage, identifier = params.get("VersionStage"), params.get("VersionId")
        held = secret.holder(stage or "AWSCURRENT") if stage or not identifier else identifier
        version = secret.versions.get(identifier or held or "")
        if version is None or (stage and identifier and held != identifier):
            what = f"VersionId: {identifier}" if identifier else f"staging label: {stage or 'AWSCURRENT'}"
            raise Refused(
                "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {what}"
            )
        shown = {"ARN": secret.arn, "Name": secret.name, "VersionId": version.id, **version.value}
        return {**shown, "VersionStages": sorted(version.stages), "CreatedDate": round(version.created, 3)}

    def _put(self, region: str, params: Params) -> Params:
        secret, token, value = self._usable(region, params["SecretId"]), _token(params), _value(params)
        known = secret.versions.get(token)
        if known is None:
            stages = params.get("VersionStages") or ["AWSCURRENT"]
            secret, known = with_version(secret, token, value, stages, self._clock.now())
            self._keep(region, secret)
        elif known.value != value:
            raise _exists(token)
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": sorted(known.stages)}

    def _update(self, region: str, params: Params) -> Params:
        secret, now = self._usable(region, params["SecretId"]), self._clock.now()
        secret = replace(secret, about={**secret.about, **_about(params)}, changed=now)
        told_version: Params = {}
        if value := _value(params):
            token = _token(params)
            if token in secret.versions:
                raise _exists(token)
            secret, version = with_version(secret, token, value, ["AWSCURRENT"], now)
            told_version = {"VersionId": version.id}
        self._keep(region, secret)
        return {"ARN": secret.arn, "Name": secret.name, **told_version}

    def _move(self, region: str, params: Params) -> Params:
        secret, stage = self._usable(region, params["SecretId"]), params["VersionStage"]
        source, target = params.get("RemoveFromVersionId"), params.get("MoveToVersionId")
        held = secret.holder(stage)
        for each in (source, target):
            if each and each not in secret.versions:
                raise Refused("ResourceNotFoundException", f"{_NOT_FOUND[:-1]} version {each}.")
        if held and source != held and held != target:
            raise Refused(
                "InvalidParameterException",
                f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to "
                f"version {held}, so you must explicitly reference that version in RemoveFromVersionId.",
            )
        if stage == "AWSCURRENT" and not target:
            raise Refused(
                "InvalidParameterException", "You can only move staging label AWSCURRENT to a different version."
            )
        versions = staged(secret.versions, stage, target)
        self._keep(region, replace(secret, versions=versions, changed=self._clock.now()))
        return {"ARN": secret.arn, "Name": secret.name}

    def _list_versions(self, region: str, params: Params) -> Params:
        secret = self._found(region, params["SecretId"])
        shown = [
            {"VersionId": each.id, "VersionStages": sorted(each.stages), "CreatedDate": round(each.created, 3)}
            for each in secret.versions.values()
            if each.stages or params.get("IncludeDeprecated")
        ]
        return {"ARN": secret.arn, "Name": secret.name, "Versions": shown}

    def _list(self, region: str, params: Params) -> Params:
        names = [name for where, name in self._secrets if where == region]
        shown = [self._describe(region, {"SecretId": name}) for name in names]
        for each in shown:
            each["SecretVersionsToStages"] = each.pop("VersionIdsToStages")
        return {"SecretList": [each for each in shown if "DeletedDate" not in each]}

    def _tag(self, region: str, params: Params) -> Params:
        secret = self._usable(region, params["SecretId"])
        tags = {**secret.tags, **{tag["Key"]: tag["Value"] for tag in params["Tags"]}}
        self._keep(region, replace(secret, tags=tags, changed=self._clock.now()))
        return {}

    def _untag(self, region: str, params: Params) -> Params:
        secret = self._usable(region, params["SecretId"])
        tags = {key: value for key, value in secret.tags.items() if key not in params["TagKeys"]}
        self._keep(region, replace(secret, tags=tags, changed=self._clock.now()))
        return {}

    def _delete(self, region: str, params: Params) -> Params:
        secret, now = self._usable(region, params["SecretId"]), self._clock.now()
        if params.get("ForceDeleteWithoutRecovery"):
            del self._secrets[region, secret.name]
        else:
            self._keep(region, replace(secret, deleted=now + 86400 * params.get("RecoveryWindowInDays", 30)))
        return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": now}

    def _restore(self, region: str, params: Params) -> Params:
        secret = replace(self._found(region, params["SecretId"]), deleted=None)
        self._keep(region, secret)
        return {"ARN": secret.arn, "Name": secret.name}

    def _keep(self, region: str, secret: Secret) -> None:
        states = self._secrets[region, secret.name]
        states.append((self._clock.now(), secret))
        del states[:-_PAST]

    def _usable(self, region: str, given: str) -> Secret:
        secret = self._found(region, given)
        if secret.deleted is not None:
            raise Refused(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )
        return secret

    def _found(self, region: str, given: str, *, ago: float = 0.0) -> Secret:
        """The secret by name, ARN, or ARN without its random end, as of some seconds ago."""
        for (where, name), states in self._secrets.items():
            arn = states[-1][1].arn
            if where == region and given in (name, arn, arn[:-7]):
                until = self._clock.now() - ago
                past = [secret for since, secret in states if since <= until]
                if past:
                    return past[-1]
        raise Refused("ResourceNotFoundException", _NOT_FOUND)


def _about(params: Params) -> Params:
    return {name: params[name] for name in ("Description", "KmsKeyId") if name in params}


def _value(params: Params) -> Params:
    return {name: params[name] for name in ("SecretString", "SecretBinary") if params.get(name) is not None}


def _token(params: Params) -> str:
    token = params.get("ClientRequestToken") or str(uuid.uuid4())
    if not 32 <= len(token) <= 64:
        raise Refused("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    return str(token)


def _exists(token: str) -> Refused:
    return Refused(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {token} because that value is already in use for a version of this secret.",
    )
