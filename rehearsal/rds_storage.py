"""The storage of a DB instance: what AWS refuses of it, and what it gives without being asked."""

from rehearsal.rds_checks import combination, invalid
from rehearsal.rds_values import Settings
from rehearsal.shapes import Params

_BASELINE = {True: (3000, 125), False: (12000, 500)}  # IOPS and MiB/s of gp3: below 400 GiB, and from there on


def storage(base: Settings, settings: Params, passed: Params) -> Params:
    """The members that are about storage, of settings that had been `base` before these were passed."""
    size, had = settings["AllocatedStorage"], base.get("AllocatedStorage", 0)
    kind = settings.get("StorageType") or ("io1" if passed.get("Iops") else "gp3")
    if size < max(had, 20):
        raise combination(f"Invalid storage size for engine name {settings['Engine']} and storage type {kind}: {size}")
    most = settings.get("MaxAllocatedStorage") or size
    if most < size:
        raise combination("Max storage size must be greater than storage size")
    asked: Params = {name: passed[name] for name in ("Iops", "StorageThroughput") if name in passed}
    if not asked and (kind, size) == (base.get("StorageType"), had):
        asked = {name: base.get(name) for name in ("Iops", "StorageThroughput")}
    elif kind == "gp3":
        asked = _gp3(base, settings, asked)
    elif kind not in ("gp2", "io1", "io2", "standard"):
        raise invalid(f"Invalid storage type: {kind}")
    elif bool(asked.get("Iops")) != kind.startswith("io"):
        raise combination(f"The storage type {kind} and the Iops that were given do not go together.")
    return {**asked, "StorageType": kind, "MaxAllocatedStorage": most if most > size else None}


def _gp3(base: Settings, settings: Params, asked: Params) -> Params:
    engine, size = settings["Engine"], settings["AllocatedStorage"]
    small = size < 400
    if small and asked:
        raise combination(
            f"You can't specify IOPS or storage throughput for engine {engine} and a storage size less than 400."
        )
    least = dict(zip(("Iops", "StorageThroughput"), _BASELINE[small], strict=True))
    for name, value in asked.items():
        if value < least[name]:
            raise combination(f"{name} has to be {least[name]} or more for engine {engine} and {size} GiB of gp3.")
    had = base if base.get("StorageType") == "gp3" else {}
    return {**{name: max(value, had.get(name) or 0) for name, value in least.items()}, **asked}
