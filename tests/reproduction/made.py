"""Arms with results made by hand."""

from aec_ofa_tf.models.cnn10.space import cnn10_space
from aec_ofa_tf.reproduction.config import ReproduceConfig
from aec_ofa_tf.reproduction.graph import Job
from aec_ofa_tf.reproduction.results import Arm, JobResult, NetworkScore
from aec_ofa_tf.search.config import SearchConfig

SPACES = tuple(cnn10_space(name, 16) for name in ("[2,2,X]", "[X,X,X]", "EW"))
BUDGETS = ("params<=60k", "params=108k+-13k")


def config(**changes) -> ReproduceConfig:
    """Two seeds, three spaces, two budgets, two fixed widths."""
    values = {"spaces": SPACES, "seeds": 2, "fixed_ratios": (0.4, 0.8), "tune_steps": (10, 100)}
    return ReproduceConfig(**{"search": SearchConfig(BUDGETS), **values, **changes})


def network(score: float, params: int = 1000, **others) -> NetworkScore:
    """A network with a figure."""
    return NetworkScore("16x2-12x2-25x2-51x1", params, 10 * params, score, score, **others)


def arm(kind: str, seed: int, *networks: NetworkScore, space: str = "[2,2,X]", **facts) -> Arm:
    """An arm that is done; its costs are 100 steps, 1000 multiply-adds and 10 s."""
    names = ("ratio", "budget", "steps")
    job = Job(kind, seed, space, **{n: facts.pop(n) for n in names if n in facts})
    costs = {"steps": 100, "clips": 400, "work": 1000.0, "secs": 10.0, **facts}
    return Arm(job, JobResult("mAP", networks, **costs))
