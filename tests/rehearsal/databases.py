"""The databases of the rehearsal as its tests use them."""

from typing import Any

from tests.rehearsal.place import CREATING, Aws

PASSWORD = "made-up:password?"
REGION = "us-east-1"


class Databases:
    """RDS in one rehearsal: instances, snapshots and groups to create."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.rds, self.ec2 = aws, aws.caller.aws("rds"), aws.caller.aws("ec2")
        aws.caller.ask("databases/quota", instances=400)

    def instance(self, **more: Any) -> str:
        """An instance that has been there for an hour."""
        name = self.aws.name("db")
        self.create(name, **more)
        self.aws.rehearsal.advance(3600)
        return name

    def source(self, **more: Any) -> str:
        """An instance that has been there for an hour, with a snapshot of the same name and -snapshot."""
        name = self.instance(**more)
        self.rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-snapshot")
        return name

    def create(self, name: str, **more: Any) -> dict[str, Any]:
        given = {
            "DBInstanceClass": "db.t4g.medium",
            "Engine": "postgres",
            "MasterUsername": "postgres",
            "MasterUserPassword": PASSWORD,
            "AllocatedStorage": 20,
        }
        made: dict[str, Any] = self.rds.create_db_instance(DBInstanceIdentifier=name, **(given | more))["DBInstance"]
        return made

    def restore(self, source: str, name: str, **more: Any) -> dict[str, Any]:
        """The answer to a restore from the snapshot of a source."""
        made: dict[str, Any] = self.rds.restore_db_instance_from_db_snapshot(
            **({"DBInstanceIdentifier": name, "DBSnapshotIdentifier": f"{source}-snapshot"} | more)
        )["DBInstance"]
        return made

    def to_time(self, source: str, name: str, **more: Any) -> dict[str, Any]:
        """The answer to a restore of a source to a point in time."""
        made: dict[str, Any] = self.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=source, TargetDBInstanceIdentifier=name, **more
        )["DBInstance"]
        return made

    def restored(self, source: str, **more: Any) -> dict[str, Any]:
        """An instance that was restored from the snapshot of a source and has become available."""
        name = self.aws.name("restored")
        self.restore(source, name, **more)
        self.aws.rehearsal.advance(2 * CREATING)
        return self.shown(name)

    def shown(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return found

    def status(self, name: str) -> str:
        return str(self.shown(name)["DBInstanceStatus"])

    def modify(self, name: str, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.rds.modify_db_instance(DBInstanceIdentifier=name, **changes)["DBInstance"]
        return made

    def snapshots(self, **asked: Any) -> dict[str, dict[str, Any]]:
        """Snapshots by their identifier."""
        found = self.rds.describe_db_snapshots(**asked)["DBSnapshots"]
        return {each["DBSnapshotIdentifier"]: each for each in found}

    def put_snapshot(self, instance: str, name: str, **more: Any) -> str:
        """A snapshot of the past, by the rehearsal's own means."""
        at = self.aws.rehearsal.now().isoformat()
        self.aws.caller.ask("snapshots", **({"region": REGION, "instance": instance, "name": name, "at": at} | more))
        return name

    def parameter_group(self, family: str = "postgres16") -> str:
        name = self.aws.name("parameters")
        self.rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily=family, Description="d")
        return name

    def option_group(self, engine: str = "postgres", major: str = "16") -> str:
        name = self.aws.name("options")
        self.rds.create_option_group(
            OptionGroupName=name, EngineName=engine, MajorEngineVersion=major, OptionGroupDescription="d"
        )
        return name

    def network(self) -> tuple[str, str]:
        """A subnet group in a VPC of its own, and a security group of that VPC."""
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{each}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for each, zone in enumerate("ab")
        ]
        group = self.ec2.create_security_group(GroupName="db", Description="d", VpcId=vpc)["GroupId"]
        name, ids = self.aws.name("subnets"), [each["Subnet"]["SubnetId"] for each in subnets]
        self.rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=ids)
        return name, group
