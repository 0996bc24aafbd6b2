"""What the flags of `reproduce` request: python -m tests.reproduction.parsed --flag=value."""

import json
import sys
from dataclasses import asdict

from absl import flags

import pipelines.reproduce  # noqa: F401 - defines the flags
from pipelines.flagfiles import expanded
from pipelines.flags.reproduce import reproduce_flags


def main(arguments: list[str]) -> None:
    """Prints the configuration as JSON."""
    flags.FLAGS(["reproduce", *expanded(arguments)])
    request = reproduce_flags()
    config = request.config
    values = {"budgets": config.budgets, "spaces": list(map(str, config.spaces))}
    values |= {name: flags.FLAGS[name].value for name in ("validation_clips", "front_end")}
    values |= {"devices": asdict(request.devices), "options": asdict(request.options)}
    values |= {"config": asdict(config)}
    print(json.dumps(values, default=str))


if __name__ == "__main__":
    main(sys.argv[1:])
