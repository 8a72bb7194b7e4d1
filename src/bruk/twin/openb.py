"""The openb format: nodes and pods of a production cluster (alibaba/clusterdata, cluster-trace-gpu-v2023).

Nodes: ``sn, cpu_milli, memory_mib, gpu, model``. Pods: ``name, cpu_milli, memory_mib, num_gpu,
gpu_milli``, and where the file has them ``gpu_spec`` (models that will do, with ``|`` between) and
``creation_time, deletion_time`` [s]. Other columns are ignored. Look next at `protocol`.
"""

from dataclasses import dataclass
from pathlib import Path

from bruk.model.errors import InvalidInput
from bruk.scheduler.fleet import WHOLE_MILLI, FleetNode, Shape
from bruk.twin.trace import Line, read_table

NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
DEVICES_MAX = 1024
# The fleet's arrays have a place for every device that any node could have [nodes x devices].
PLACES_MAX = 50_000_000
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: what it asks for, and when it came and left, if the file says so [s]."""

    name: str
    shape: Shape
    created_s: int | None = None
    deleted_s: int | None = None


def read_nodes(file: Path) -> list[FleetNode]:
    """The nodes of a cluster.

    Raises:
        TraceInvalid: the file cannot be used; two nodes have one name; no node has a device; or
            there are too many.
    """
    nodes: dict[str, FleetNode] = {}
    most = 0
    for line in read_table(file, NODE_COLUMNS):
        node = FleetNode(
            name=line.text("sn"),
            cpu_milli=line.count("cpu_milli"),
            memory_bytes=line.count("memory_mib") * MEBIBYTE,
            devices=line.count("gpu", DEVICES_MAX),
            model=line.text("model"),
        )
        if not node.name or node.name in nodes:
            raise line.wrong(f"{node.name!r} stands above as well" if node.name else "sn names no node")
        nodes[node.name] = node
        most = max(most, node.devices)
        if len(nodes) * most > PLACES_MAX:
            raise line.wrong(
                f"{len(nodes):,} nodes with up to {most:,} devices are more than can be replayed"
            )
    if not any(node.devices for node in nodes.values()):
        raise line.wrong("no node above has a device, so that there is nothing to allocate")
    return list(nodes.values())


def read_pods(file: Path) -> list[Pod]:
    """The pods of a workload, in the order of the file.

    Raises:
        TraceInvalid: the file cannot be used; or no pod asks for a device.
    """
    pods = [_pod(line) for line in read_table(file, POD_COLUMNS)]
    if not any(pod.shape.total_milli for pod in pods):
        raise Line(file, len(pods) + 1, {}).wrong("no pod above asks for a device")
    return pods


def _pod(line: Line) -> Pod:
    devices = line.count("num_gpu", DEVICES_MAX)
    milli = line.count("gpu_milli", WHOLE_MILLI)
    if not devices and milli:
        raise line.wrong(f"gpu_milli is {milli} where num_gpu is 0")
    models = {name.strip() for name in line.text("gpu_spec").split("|")}
    try:
        shape = Shape(
            cpu_milli=line.count("cpu_milli"),
            memory_bytes=line.count("memory_mib") * MEBIBYTE,
            devices=devices,
            device_milli=milli if devices else WHOLE_MILLI,
            models=tuple(sorted(models - {""})) if devices else (),
        )
    except InvalidInput as error:
        raise line.wrong(error.message.rstrip(".")) from None
    created_s = line.count("creation_time") if line.text("creation_time") else None
    deleted_s = line.count("deletion_time") if line.text("deletion_time") else None
    if created_s is not None and deleted_s is not None and deleted_s < created_s:
        raise line.wrong(f"deletion_time {deleted_s} is before creation_time {created_s}")
    return Pod(line.text("name"), shape, created_s, deleted_s)
