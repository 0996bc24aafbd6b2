"""Writes the page that tags recordings and the microphone in the browser, by a run's own files."""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from aec_ofa_tf.files import JsonObject, replacing
from aec_ofa_tf.report.files import EXPORT, ModelFile, best_file, read_files
from aec_ofa_tf.report.litert_web import open_package, runtime_script
from aec_ofa_tf.report.page import source, templates
from aec_ofa_tf.report.subnets import Winner, read_winners
from aec_ofa_tf.report.try_it_files import MODELS, TRY_IT_PAGE, script_name, try_it_models
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.tagging.model_file import read_bundle
from aec_ofa_tf.workdir import SEARCH, Workdir

RUNTIME = "runtime.js"
"""Name of the script with the runtime, beside the page."""


def write_try_it(workdir: Workdir, litert_web: str | os.PathLike[str] | None = None) -> Path:
    """Writes `report/try_it/index.html` of a run directory, with the runtime and the models.

    It opens offline, from disk or from a server, and has all files that take a waveform.

    Args:
        workdir: the run directory.
        litert_web: folder of the npm package `@litertjs/core`, or one that npm has installed it
            into; None to let npm install it into the user's cache, once.

    Returns:
        The path of the page.

    Raises:
        ValueError: the run has no file that takes a waveform, one is damaged, or the folder has
            another package.
        RuntimeError: npm is missing or fails.
        OSError: something cannot be read or written.
    """
    files = try_it_models(read_files(workdir))
    if not files:
        raise ValueError(
            f"{workdir.path / EXPORT} has no TFLite file that takes a waveform, which a browser "
            f"can run: `python -m pipelines.convert --workdir={shlex.quote(str(workdir.path))} "
            "--data_dir=DATA --family --input=waveform --quantization=float32,int8` makes some"
        )
    runtime = runtime_script(open_package(None if litert_web is None else Path(litert_web)))
    page = workdir.path / TRY_IT_PAGE
    _write(page.with_name(RUNTIME), runtime)
    models = [_write_model(file, page.parent / MODELS) for file in files]
    best = best_file(files, _winners(workdir))
    _write(page, _render(workdir.path, models, files.index(best) if best else 0))
    _remove_others(page.parent / MODELS, [str(model["script"]) for model in models])
    return page


def _write_model(file: ModelFile, folder: Path) -> JsonObject:
    """Writes the script of a model; returns what the page has to know of it."""
    flatbuffer, info = read_bundle(file.path)
    name = script_name(file)
    if not (folder / name).is_file():
        text = base64.b64encode(flatbuffer).decode("ascii")
        _write(folder / name, f'receiveModel("{name}", "{text}");\n')
    return {
        "name": file.name,
        "script": name,
        "budget": file.budget,
        "subnet": f"{info.network} {info.subnet}".strip(),
        "quantization": info.quantization,
        "bytes": file.bytes,
        "labels": list(info.labels),
        "sample_rate_hz": info.sample_rate_hz,
        "clip_samples": info.clip_samples,
        "length_policy": info.length_policy,
        "task": info.task,
    }


def _winners(workdir: Workdir) -> tuple[Winner, ...]:
    if SEARCH not in workdir.stages():
        return ()
    with workdir.reading_search() as content:
        return read_winners(SearchResult.from_dict(content))


def _render(workdir: Path, models: Sequence[JsonObject], first: int) -> str:
    template = templates().get_template("try_it.html.j2")
    folder = shlex.quote(str((workdir / TRY_IT_PAGE).parents[1]))
    return template.render(
        name=workdir.resolve().name,
        data={"models": models, "first": first, "folder": MODELS, "runtime": RUNTIME},
        serve=f"python -m http.server --bind localhost --directory {folder}",
        style=source("page.css") + source("try_it.css"),
        script=source("try_it_audio.js") + source("try_it.js"),
    )


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        # Names of files on disk need not be Unicode.
        temporary.write_text(text, encoding="utf-8", errors="replace")


def _remove_others(folder: Path, names: Sequence[str]) -> None:
    """Removes the scripts of models that the run no longer has."""
    for path in folder.glob("*.js"):
        if path.name not in names:
            path.unlink()
