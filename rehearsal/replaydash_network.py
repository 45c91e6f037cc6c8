"""The network of the ReplayDash production: its VPC, its load balancer and what that does with a request."""

from dataclasses import dataclass
from typing import Any

from rehearsal.caller import Caller
from rehearsal.replaydash_names import ALB, API, CERTIFICATE_HOST, HOST

_ZONES = ("us-east-1a", "us-east-1b")


@dataclass(frozen=True)
class Network:
    """What services and databases need to know of the network."""

    vpc: str
    public: tuple[str, ...]
    private: tuple[str, ...]
    groups: dict[str, str]  # security groups: alb, api, db
    target_group: str = ""

    def awsvpc(self) -> dict[str, Any]:
        """networkConfiguration of a service behind no public address."""
        inside = {"subnets": list(self.private), "securityGroups": [self.groups["api"]], "assignPublicIp": "DISABLED"}
        return {"awsvpcConfiguration": inside}


def lay(caller: Caller) -> Network:
    """VPC, subnets and security groups."""
    ec2 = caller.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    public, private = (tuple(_subnet(ec2, vpc, zone, first) for zone in range(len(_ZONES))) for first in (0, 10))
    groups = {
        each: ec2.create_security_group(
            GroupName=f"replaydash-production-{each}", Description=f"ReplayDash {each}", VpcId=vpc
        )["GroupId"]
        for each in ("alb", "api", "db")
    }
    return Network(vpc, public, private, groups)


def balance(caller: Caller, network: Network) -> str:
    """The load balancer with its listeners and rules; the ARN of the API's target group."""
    elb = caller.aws("elbv2")
    balancer = elb.create_load_balancer(
        Name=ALB, Subnets=list(network.public), SecurityGroups=[network.groups["alb"]], Scheme="internet-facing"
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = _target_group(elb, network)
    _redirect_to_https(elb, balancer)
    _serve_https(elb, balancer, group, _certificate(caller))
    return group


def _subnet(ec2: Any, vpc: str, zone: int, first: int) -> str:
    block = f"10.20.{first + zone}.0/24"
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=_ZONES[zone])
    return str(made["Subnet"]["SubnetId"])


def _target_group(elb: Any, network: Network) -> str:
    made = elb.create_target_group(
        Name=API,
        Protocol="HTTP",
        Port=3000,
        VpcId=network.vpc,
        TargetType="ip",
        HealthCheckPath="/health",
        Matcher={"HttpCode": "200"},
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _certificate(caller: Caller) -> str:
    asked = caller.aws("acm").request_certificate(DomainName=CERTIFICATE_HOST, ValidationMethod="DNS")
    return str(asked["CertificateArn"])


def _redirect_to_https(elb: Any, balancer: str) -> None:
    to_https = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    actions = [{"Type": "redirect", "RedirectConfig": to_https}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)


def _serve_https(elb: Any, balancer: str, group: str, certificate: str) -> None:
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": certificate}],
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        DefaultActions=forward,
    )["Listeners"][0]["ListenerArn"]
    robots = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "Not here."}
    rules = {
        10: ("host-header", HOST, forward),
        20: ("path-pattern", "/.git/*", [{"Type": "fixed-response", "FixedResponseConfig": robots}]),
    }
    for priority, (field, value, actions) in rules.items():
        condition = {"Field": field, "Values": [value]}
        elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=actions)
