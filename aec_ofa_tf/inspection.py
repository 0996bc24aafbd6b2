"""Describes what this project writes, except for records: runs, checkpoints and models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from aec_ofa_tf.costs.costs import params, subnet_costs
from aec_ofa_tf.description import Description, command, lines, listed
from aec_ofa_tf.files import JsonObject
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.pretrained import DESCRIPTION
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.tagging.model_file import LABELS_FILE, read_info
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE
from aec_ofa_tf.workdir import SEARCH, Workdir

_CHECKPOINT = re.compile(r"step-(\d+)(\.index|\.data-\d+-of-\d+)?")
_SUBNETS = ("smallest", "largest")
_FILES = 6
_ORIGIN = ("run", "dataset", "records_fingerprint", "run_fingerprint")
"""What a model file says of the run and of the data that it comes from."""

_SHOWN = ("steps", "largest_steps", "batch_size", "learning_rate", "schedule", "seed", "records")
"""The settings of a training stage that a description shows."""


def describe_artefact(path: Path) -> Description:
    """Describes a run directory, an import, a checkpoint, a `.keras` or a `.tflite` file.

    Raises:
        ValueError: it is nothing of this project, or damaged.
        OSError: it cannot be read.
    """
    if not path.exists() and not path.with_name(f"{path.name}.index").exists():
        raise ValueError(f"{path} does not exist")
    if match := _CHECKPOINT.fullmatch(path.name):
        return _checkpoint(path, int(match[1]))
    if path.suffix == ".tflite":
        return _tflite(path)
    if path.suffix == ".keras":
        return _keras(path)
    if (path / DESCRIPTION).is_file():
        return _import(path)
    if (path / "config.json").is_file():
        return _run(Workdir(path))
    for parent in path.resolve().parents:
        if (parent / "config.json").is_file():
            raise ValueError(f"{path} lies in the run directory {parent}: describe that")
    raise ValueError(
        f"{path} cannot be described: give a run directory, a directory of complete records, a "
        "folder of imported weights, a checkpoint, or a .keras or .tflite file. Recordings "
        "become records by `python -m pipelines.prepare --source=FOLDER --data_dir=DATA`"
    )


def _run(workdir: Workdir) -> Description:
    space, network = workdir.space_and_network()
    config = workdir.config()
    labels = [str(label) for label in config["labels"]]
    done = {name: _is_done(workdir, name) for name in workdir.stages()}
    ends = {name: space.landmarks[name] for name in _SUBNETS}
    facts = [
        ("network", f"{network.family}, {network.task}"),
        ("labels", listed(labels)),
        ("input", f"clips of {config['clip_secs']:g} s, {workdir.front_end()}"),
        ("space", f"{space}: {space.size:,} subnets"),
        *((name, _costs_text(subnet, network)) for name, subnet in ends.items()),
        *_training(workdir),
        ("stages", ", ".join(f"{n} {'done' if ok else 'begun'}" for n, ok in done.items())),
    ]
    values: dict[str, object] = {
        "labels": labels,
        "task": network.task,
        "family": network.family,
        "space": str(space),
        "subnets": space.size,
        **{name: {"subnet": str(one), **_costs(one, network)} for name, one in ends.items()},
        "stages": done,
    }
    if done.get("supernet"):
        with workdir.reading_stage("supernet") as result:
            figures = result.get("validation", {})
            shown = ", ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
            facts += [("validation", f"{result.get('figure')}: {shown}")] if figures else []
            values["validation"] = figures
    if done.get(SEARCH):
        with workdir.reading_search() as content:
            found = SearchResult.from_dict(content)
        facts.append(("winners", lines(found.budgets)))
        values["budgets"] = [row.as_dict() for row in found.budgets]
    files = _files(workdir)
    facts += [("files", lines(files))] if files else []
    values["files"] = [str(file) for file in files]
    return _described(workdir.path, "a run directory", facts, values, _after(workdir, done, files))


def _training(workdir: Workdir) -> list[tuple[str, str]]:
    """Steps, rates and data of the training stages that were begun."""
    facts = []
    for stage in ("teacher", "supernet"):
        settings = workdir.settings(stage)
        shown = [f"{n} {settings[n]}" for n in _SHOWN if settings.get(n)]
        facts += [(stage, ", ".join(shown))] * bool(shown)
    return facts


def _after(workdir: Workdir, done: dict[str, bool], files: list[Path]) -> tuple[str, ...]:
    """The commands that a run directory needs next."""
    flags = workdir.path / "flags.txt"
    if files:
        return (command("tag", "RECORDING", model=files[0]),)
    where = {"workdir": workdir.path, "data_dir": "DATA"}
    if done.get(SEARCH):
        return (command("convert", **where, family=True, quantization="float32,int8"),)
    if flags.exists() and not done.get("supernet"):
        return (command("train", flagfile=flags),)
    budget = example_budget(*workdir.space_and_network())
    return (command("search" if done.get("supernet") else "train", **where, budget=budget),)


def example_budget(space: SearchSpace, network: NetworkConfig) -> str:
    """A budget that some subnets meet: one and a half times the smallest's parameters."""
    ends = params(space.smallest, network), params(space.largest, network)
    thousands = math.ceil(min(1.5 * ends[0], ends[1]) / 1000)
    return f"params<={thousands}k"


def _files(workdir: Workdir) -> list[Path]:
    """The first classifiers in the folder of exports."""
    found = (workdir.path / "export").rglob("*.tflite")
    return sorted(path for path in found if path.name != FRONT_END_FILE)[:_FILES]


def _is_done(workdir: Workdir, stage: str) -> bool:
    if stage == SEARCH:
        return True
    try:
        workdir.require_stage(stage)
    except ValueError:
        return False
    return True


def _checkpoint(path: Path, step: int) -> Description:
    files = sorted(path.parent.glob(f"step-{step}.*"))
    size = sum(file.stat().st_size for file in files)
    run = Workdir(path.parent.parent.parent)
    stage = path.parent.name
    facts = [("stage", stage), ("step", f"{step:,}"), ("size", f"{size:,} bytes")]
    values: dict[str, object] = {"stage": stage, "step": step, "bytes": size}
    if not (run.path / "config.json").exists():
        return _described(path, "a checkpoint without its run directory", facts, values)
    space, network = run.space_and_network()
    facts += [("network", f"{network.family}, {network.task}"), ("space", str(space))]
    done = {name: _is_done(run, name) for name in run.stages()}
    values["run"] = str(run.path)
    return _described(
        path, f"a checkpoint of {run.path}", facts, values, _after(run, done, _files(run))
    )


def _import(folder: Path) -> Description:
    from aec_ofa_tf.pretrained.importing import ImportedWeights  # imports TensorFlow

    found = ImportedWeights.open(folder)
    facts = [
        ("checkpoint", f"{found.format}, SHA-256 {found.checkpoint_sha256[:12]}"),
        ("network", f"{found.network.family}, {found.network.task}"),
        ("subnet", _costs_text(found.subnet, found.network)),
        ("labels", listed(found.labels)),
        ("input", f"clips of {found.clip_secs:g} s, {found.front_end}"),
        ("space", f"{found.space}: {found.space.size:,} subnets"),
    ]
    values = {**found.as_dict(), **_costs(found.subnet, found.network)}
    commands = (
        command("convert", workdir=folder, input="waveform", quantization="float32"),
        command(
            "train",
            flagfile="esc10_pretrained.flags",
            source="ESC10",
            pretrained=found.model_file,
        ),
    )
    return _described(folder, "imported weights", facts, values, commands)


def _tflite(path: Path) -> Description:
    info = read_info(path)
    shape = f"{info.clip_samples / info.sample_rate_hz:g} s at {info.sample_rate_hz:,} Hz"
    facts = [
        ("network", f"{info.network or 'none'} {info.subnet}".strip()),
        ("parameters", f"{info.params:,}"),
        ("file", f"{path.stat().st_size:,} bytes, {info.quantization}, {info.io_type} ends"),
        ("input", f"{info.input} of {shape}; shorter recordings: {info.length_policy}"),
        ("front end", str(info.front_end)),
        ("task", info.task),
        ("labels", listed(info.labels)),
    ]
    plain = {name: value for name, value in info.extra.items() if not isinstance(value, dict)}
    origin = {name: plain.pop(name) for name in _ORIGIN if name in plain}
    facts += [("from", ", ".join(f"{n} {v}" for n, v in origin.items()))] * bool(origin)
    facts += [("settings", ", ".join(map(_figure, plain.items())))] * bool(plain)
    card = path.with_name(f"{path.name}.md")
    facts += [("figures", f"in its card {card}")] * card.is_file()
    values = {
        "network": info.network,
        "subnet": info.subnet,
        "params": info.params,
        "input": info.input,
        "quantization": info.quantization,
        "io_type": info.io_type,
        "task": info.task,
        "labels": list(info.labels),
        "extra": dict(info.extra),
    }
    commands = (
        command("tag", "RECORDING", model=path),
        command("evaluate", model=path, data_dir="DATA"),
    )
    return _described(path, "a TFLite model", facts, values, commands if info.labels else ())


def _keras(path: Path) -> Description:
    from aec_ofa_tf.models.keras_files import load_model  # imports TensorFlow
    from aec_ofa_tf.models.supernet import Supernet

    model = load_model(path)
    weights = sum(int(weight.shape.num_elements()) for weight in model.trainable_weights)
    if isinstance(model, Supernet):
        facts = [
            ("space", f"{model.space}: {model.space.size:,} subnets"),
            ("parameters", f"{weights:,}"),
        ]
        values = {"space": str(model.space), "params": weights}
        return _described(path, "a supernet", facts, values)
    shapes = [f"{tuple(tensor.shape[1:])}" for tensor in (*model.inputs, *model.outputs)]
    facts = [
        ("name", model.name),
        ("parameters", f"{weights:,}"),
        ("tensors", f"from {' and '.join(shapes[:-1])} to {shapes[-1]}, without the batch"),
    ]
    labels = path.with_name(LABELS_FILE)
    names = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
    facts += [("labels", listed(names))] if names else []
    values = {"name": model.name, "params": weights, "labels": names}
    evaluate = command("evaluate", model=path, data_dir="DATA")
    return _described(path, "a Keras model", facts, values, (evaluate,))


def _figure(item: tuple[str, object]) -> str:
    name, value = item
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name} {value}"
    return f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:.4g}"


def _costs(subnet: Subnet, network: NetworkConfig) -> dict[str, float]:
    return subnet_costs(subnet, network, metrics=("params", "macs", "arena_bytes"))


def _costs_text(subnet: Subnet, network: NetworkConfig) -> str:
    costs = _costs(subnet, network)
    return (
        f"{subnet}: {costs['params']:,} parameters, {costs['macs'] / 1e6:,.1f} M multiply-adds a "
        f"clip, arena of {costs['arena_bytes'] / 1024:,.0f} KiB on a microcontroller"
    )


def _described(
    path: Path,
    kind: str,
    facts: Iterable[tuple[str, str]],
    values: JsonObject,
    commands: Iterable[str] = (),
) -> Description:
    return Description(str(path), kind, tuple(facts), values, tuple(commands))
