"""What RDS refuses of the values that it is sent, whatever they are for."""

import re

from rehearsal.shapes import Params
from rehearsal.wire import Refused

ENGINES = {  # version, port, licence and logs
    "postgres": ("16.3", 5432, "postgresql-license", ("postgresql", "upgrade", "iam-db-auth-error")),
    "mysql": ("8.0.39", 3306, "general-public-license", ("audit", "error", "general", "slowquery")),
    "mariadb": ("10.11.8", 3306, "general-public-license", ("audit", "error", "general", "slowquery")),
}
_AUTHORITIES = ("rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")
_NAME = re.compile(r"[A-Za-z](-?[A-Za-z0-9])*")


def invalid(message: str) -> Refused:
    return Refused("InvalidParameterValue", message)


def combination(message: str) -> Refused:
    return Refused("InvalidParameterCombination", message)


def missing(code: str, message: str) -> Refused:
    return Refused(code, message, 404)


def identifier(given: str, parameter: str, longest: int = 63) -> str:
    """The name of a new instance or snapshot, as it is stored."""
    if len(given) > longest or not _NAME.fullmatch(given):
        raise invalid(
            f"The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain "
            "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two of them in a row."
        )
    return given.lower()


def password(given: str | None) -> str:
    """The password of a master user. No answer repeats it."""
    if not given:
        raise invalid("The parameter MasterUserPassword must be provided and must not be blank.")
    if not 8 <= len(given) <= 128:
        raise invalid("The parameter MasterUserPassword is not a valid password because it is not 8 to 128 characters.")
    if not re.fullmatch(r"[!-~]+", given) or set(given) & set('/@"'):
        raise invalid(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides "
            "'/', '@', '\"', ' ' may be used."
        )
    return given


def values(passed: Params, engine: str) -> None:
    """The members of a create, a restore or a modify that can be judged one by one."""
    if not re.fullmatch(r"db\.[a-z0-9-]+\.[a-z0-9-]+", passed.get("DBInstanceClass", "db.t4g.micro")):
        raise invalid(f"Invalid DB Instance class: {passed['DBInstanceClass']}")
    if not 1150 <= passed.get("Port", 5432) <= 65535:
        raise invalid("The port number must be between 1150 and 65535.")
    if not 0 <= (days := passed.get("BackupRetentionPeriod", 0)) <= 35:
        raise invalid(f"Invalid backup retention period: {days}. Must be between 0 and 35.")
    authority = passed.get("CACertificateIdentifier", _AUTHORITIES[0])
    if authority not in _AUTHORITIES:
        raise missing("CertificateNotFound", f"Certificate not found: {authority}")
    if wrong := set(passed.get("EnableCloudwatchLogsExports", ())) - set(ENGINES[engine][3]):
        raise combination(f"You cannot use the log types '{', '.join(sorted(wrong))}' with engine {engine}.")
    if passed.get("MultiAZ") and "AvailabilityZone" in passed:
        raise combination("Requesting a specific availability zone is not valid for Multi-AZ instances.")
    if not re.fullmatch(r"(\d\d:\d\d-\d\d:\d\d)", passed.get("PreferredBackupWindow", "03:00-03:30")):
        raise invalid(f"Invalid backup window: {passed['PreferredBackupWindow']}. Should be like hh24:mi-hh24:mi.")
