"""The names of the ReplayDash production, as its runbook has them."""

from datetime import datetime, timedelta
from urllib.parse import quote

from rehearsal.wire import ACCOUNT

REGION = "us-east-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"

CLUSTER = "replaydash-production-cluster"
API = "replaydash-production-api"  # service, task family, ECR repository and target group
WORKER = "replaydash-production-worker"  # service, task family and ECR repository
CONTAINER = "api"
DESIRED = 4

# What was released when: revision number, and the tag that tells its time.
API_RELEASES = {
    120: "v20240212-090000",
    121: "v20240215-141500",
    122: "v20240220-090000",
    123: "v20240224-120000",
    124: "v20240227-163000",
}
WORKER_RELEASES = {56: "v20240213-100000", 57: "v20240219-153000", 58: "v20240226-110000"}
LIVE_REVISION, PREVIOUS_REVISION = 124, 123
LIVE_TAG, PREVIOUS_TAG = API_RELEASES[LIVE_REVISION], API_RELEASES[PREVIOUS_REVISION]
GOOD_TAG = "v20240229-110000"  # pushed, never released, and well
BAD_TAG = "v20240301-101500"  # pushed, never released, and no task of it becomes healthy
SICK_TAG = "v20240229-163000"  # pushed, never released; ECS finds its tasks healthy, and users get an error

TODAY = datetime(2024, 3, 1, 15, 0)  # noqa: DTZ001 - it is only subtracted from the times in the names above

ALB = "replaydash-production-alb"
HOST = "api.replaydash.com"
CERTIFICATE_HOST = "*.replaydash.com"

DATABASE = "replaydash-production-postgres"
DATABASE_HOST = f"{DATABASE}.abc123.{REGION}.rds.amazonaws.com"
SUBNET_GROUP = "replaydash-production-db"
PARAMETER_GROUP = OPTION_GROUP = "replaydash-production-postgres16"
MONITORING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rds-monitoring-role"
SNAPSHOT = f"rds:{DATABASE}-2024-02-24-03-00"
MANUAL_SNAPSHOT = f"{DATABASE}-before-2024-02-20-migration"
SECRET = "replaydash-production/db/password"  # noqa: S105 - its name
USER, DATABASE_NAME = "replaydash", "replaydash"
PASSWORD = "r3play:dash?50%+night#1"  # noqa: S105 - made up: RDS takes it, and a URL has to escape it
URL = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@{DATABASE_HOST}:5432/{DATABASE_NAME}?schema=public"

ZONE = "replaydash.internal"
ALARMS = ("replaydash-production-5xx", "replaydash-production-cpu")


def image(repository: str, tag: str) -> str:
    """An image of one of ReplayDash's own repositories."""
    return f"{REGISTRY}/{repository}:{tag}"


def ago(tag: str) -> timedelta:
    """How long before the story begins the release of this tag was made."""
    return TODAY - datetime.strptime(tag, "v%Y%m%d-%H%M%S")  # noqa: DTZ007 - subtracted from TODAY only
