"""What a DB instance belongs to, and moto knows of: subnet, security, parameter and option groups."""

from rehearsal import moto_app
from rehearsal.rds_checks import combination, invalid, missing
from rehearsal.shapes import Params
from rehearsal.wire import ACCOUNT, Refused


def subnet_group(region: str, name: str) -> Params:
    """A DB subnet group as DescribeDBInstances shows it. `default` is made of the default VPC."""
    group = moto_app.rds(region).subnet_groups.get(name)
    if group is not None:
        return _subnet_group(region, group.name, group.description, group.vpc_id, group.subnets)
    ec2 = moto_app.ec2(region)
    vpc = ec2.get_default_vpc() if name == "default" else None
    if vpc is None:
        raise missing("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")
    subnets = ec2.describe_subnets(filters={"vpc-id": [vpc.id]})
    shown = [
        {
            "SubnetIdentifier": each.id,
            "SubnetAvailabilityZone": {"Name": each.availability_zone},
            "SubnetStatus": "Active",
        }
        for each in subnets
    ]
    return _subnet_group(region, name, "default", vpc.id, shown)


def security_groups(region: str, given: list[str] | None, vpc: str) -> list[str]:
    """The ids of the security groups: those given, each of which has to be in the VPC, else the default one of it."""
    ec2 = moto_app.ec2(region)
    for each in given or ():
        group = ec2.get_security_group_from_id(each)
        if group is None:
            raise invalid(f"Invalid security group , groupId= {each}, groupName=.")
        if group.vpc_id != vpc:
            raise combination(
                "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
                f"{vpc} and the EC2 security group is in {group.vpc_id}"
            )
    return list(given) if given else [ec2.get_default_security_group(vpc).id]


def parameter_group(region: str, given: str | None, engine: str, version: str) -> str:
    """The name of the DB parameter group: the one given, which has to be of this family, else the default one."""
    family = engine + _major(engine, version)
    default = f"default.{family}"
    if given in (None, default):
        return default
    group = moto_app.rds(region).db_parameter_groups.get(given)
    if group is None:
        raise missing("DBParameterGroupNotFound", f"DBParameterGroup not found: {given}")
    if group.family != family:
        raise combination(
            f"The parameter group {given} with DBParameterGroupFamily {group.family} can't be used for this "
            f"instance. Please use a parameter group with DBParameterGroupFamily {family}"
        )
    return str(group.name)


def option_group(region: str, given: str | None, engine: str, version: str) -> str:
    """The name of the option group: the one given, which has to be for this engine, else the default one."""
    major = _major(engine, version)
    default = f"default:{engine}-{major.replace('.', '-')}"
    if given in (None, default):
        return default
    group = moto_app.rds(region).option_groups.get(given)
    if group is None:
        raise missing("OptionGroupNotFoundFault", f"Specified OptionGroupName: {given} not found.")
    if (group.engine_name, group.major_engine_version) != (engine, major):
        raise combination(f"The option group {given} is not for {engine} {major}.")
    return str(group.name)


def create_option_group(region: str, params: Params) -> Params:
    """CreateOptionGroup for PostgreSQL, of which moto knows no version after 13. It keeps the group all the same."""
    name, backend = params["OptionGroupName"], moto_app.rds(region)
    if name in backend.option_groups:
        raise Refused("OptionGroupAlreadyExistsFault", f"An option group named {name} already exists.")
    asked = {"option_group_name": name, "engine_name": "postgres", "major_engine_version": "13"}
    described = {"option_group_description": params["OptionGroupDescription"], "tags": params.get("Tags")}
    group = backend.create_option_group({**asked, **described})
    group.major_engine_version = params["MajorEngineVersion"]
    shown = {name: params[name] for name in ("OptionGroupDescription", "EngineName", "MajorEngineVersion")}
    return {"OptionGroup": {**shown, "OptionGroupName": group.name, "OptionGroupArn": group.arn, "Options": []}}


def _major(engine: str, version: str) -> str:
    """What counts as the major version: 16 of PostgreSQL 16.3, 8.0 of MySQL 8.0.39."""
    parts = version.split(".")
    return parts[0] if engine == "postgres" else ".".join(parts[:2])


def _subnet_group(region: str, name: str, description: str, vpc: str, subnets: list[Params]) -> Params:
    return {
        "DBSubnetGroupName": name,
        "DBSubnetGroupDescription": description,
        "VpcId": vpc,
        "SubnetGroupStatus": "Complete",
        "Subnets": subnets,
        "DBSubnetGroupArn": f"arn:aws:rds:{region}:{ACCOUNT}:subgrp:{name}",
        "SupportedNetworkTypes": ["IPV4"],
    }
