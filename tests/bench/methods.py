"""The ways to roll back that are compared: the commands, as a person types them."""

from dataclasses import dataclass

from tests.end_to_end.world import CLUSTER, SERVICE, api

CORRECTED = (
    "the runbook's commands are corrected to run on Linux and without a network: `sed -i ''` is `sed -i` with GNU; the "
    "registry is written out where `terraform output` would print it, and `curl` of the public address is left out "
    "(both are counted as commands); every awscli call gets `--endpoint-url`. Nothing else is touched: `sed` still "
    "replaces the image of every container, and what is described still comes without tags"
)
TAG = "v20240224-120000"  # the runbook's own example; the image of revision 123
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{SERVICE}:{TAG}"
STARTING, PREVIOUS = 124, 123
CONTAINER = "api"

_AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
_METHOD_1 = f"""
aws ecs list-task-definitions --family-prefix {SERVICE} --sort DESC --max-items 10
CURRENT=$(aws ecs describe-services --cluster {CLUSTER} --services {SERVICE} \
  --query 'services[0].taskDefinition' --output text)
echo "Current: $CURRENT"
PREVIOUS_REVISION={PREVIOUS}
aws ecs update-service --cluster {CLUSTER} --service {SERVICE} \
  --task-definition {SERVICE}:$PREVIOUS_REVISION --force-new-deployment
aws ecs wait services-stable --cluster {CLUSTER} --services {SERVICE}
"""
_METHOD_2 = f"""
aws ecr describe-images --repository-name {SERVICE} \
  --query 'sort_by(imageDetails, &imagePushedAt)[-10:].[imageTags[0], imagePushedAt]' --output table
ROLLBACK_TAG="{TAG}"
ECR_URL={IMAGE.rpartition(":")[0]}
aws ecs describe-task-definition --task-definition {SERVICE} --query 'taskDefinition' > task-def.json
sed -i "s|\\"image\\": \\".*\\"|\\"image\\": \\"$ECR_URL:$ROLLBACK_TAG\\"|g" task-def.json
jq 'del(.taskDefinitionArn, .revision, .status, .requiresAttributes, .compatibilities, .registeredAt, .registeredBy)' \
  task-def.json > task-def-clean.json
NEW_TASK_DEF=$(aws ecs register-task-definition --cli-input-json file://task-def-clean.json \
  --query 'taskDefinition.taskDefinitionArn' --output text)
aws ecs update-service --cluster {CLUSTER} --service {SERVICE} --task-definition $NEW_TASK_DEF --force-new-deployment
aws ecs wait services-stable --cluster {CLUSTER} --services {SERVICE}
rm task-def.json task-def-clean.json
"""
_COMMIT = "git commit --quiet --all --message 'Roll back'\ngit push --quiet origin main\n"


@dataclass(frozen=True)
class Method:
    """One way to roll back. `commands` counts the programs that a person starts, curl and terraform among them."""

    name: str
    commands: int
    script: str
    edit: str = ""  # the environment file as it is committed; only for trueup


@dataclass(frozen=True)
class Task:
    """What is to be achieved, and the ways to do it: the one that retires revisions comes last."""

    title: str
    base: int  # the revision that what runs afterwards must equal, but for the image
    methods: tuple[Method, ...]


REVISION = Task(
    f"Back to an existing revision ({STARTING} → {PREVIOUS})",
    PREVIOUS,
    (
        Method("runbook, Method 1", 5, _AWS + _METHOD_1),
        Method("trueup, task_revision", 2, _COMMIT, api(f"task_revision: {PREVIOUS}")),
        Method(
            "ecs-deploy --task", 1, f"ecs deploy {CLUSTER} {SERVICE} --region us-east-1 --task {SERVICE}:{PREVIOUS}"
        ),
    ),
)
TAGGED = Task(
    f"Back to an image ({TAG}), everything else as it is",
    STARTING,
    (
        Method("runbook, Method 2", 10, _AWS + _METHOD_2),
        Method("trueup, image_tag", 2, _COMMIT, api(f"task_revision: {STARTING}", f"image_tag: {TAG}")),
        Method(
            "ecs-deploy --image",
            1,
            f"ecs deploy {CLUSTER} {SERVICE} --region us-east-1 --image {CONTAINER} {IMAGE}",
        ),
    ),
)
