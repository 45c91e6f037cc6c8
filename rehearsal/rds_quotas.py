"""DescribeAccountAttributes: how much of what RDS grants an account is in use."""

from rehearsal.rds_state import Region
from rehearsal.shapes import Params

_STORAGE = 100_000  # GiB


def describe(region: Region, params: Params) -> Params:
    """DescribeAccountAttributes, with the quotas that a new instance is counted against."""
    instances = region.instances().values()
    size = sum(int(each.settings.get("AllocatedStorage") or 0) for each in instances)
    quotas = (("DBInstances", len(instances), region.quota), ("AllocatedStorage", size, _STORAGE))
    return {"AccountQuotas": [{"AccountQuotaName": name, "Used": used, "Max": most} for name, used, most in quotas]}
