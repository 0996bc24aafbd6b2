"""The suite `npu`: costs by a table of layers, compared with those of whole subnets."""

from __future__ import annotations

from aec_ofa_tf.micro.npu_profile import profile_npus
from pipelines.benchmarks.settings import NpuSettings


def run_npu_suite(settings: NpuSettings) -> dict[str, object]:
    """Compiles all layers of the space, and random subnets as a whole.

    Returns:
        `costs`: for every cost, the errors of the table relative to the whole subnet; the sizes.

    Raises:
        ConfigError: an accelerator is unknown, or Vela is not installed.
    """
    space, network = settings.space, settings.network
    table = profile_npus(space, network, settings.accelerators, settings.subnets)
    return {
        "costs": table.extra["check"]["costs"],
        "runtime": table.runtime,
        "settings": {
            "space": str(space),
            **network.sizes,
            "layers": len(table.layers),
            "subnets": settings.subnets,
        },
    }
