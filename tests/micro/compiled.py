"""The front end in C, compiled with sanitizers and run on clips."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.micro.front_end import INT16, write_front_end

HERE = Path(__file__).parent
COMPILER = shutil.which("cc")
STRICT = [
    *("-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic"),
    *("-Wconversion", "-Wdouble-promotion", "-Wshadow"),
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="this machine has no C compiler `cc`")


@dataclass(frozen=True)
class CompiledFrontEnd:
    """A program of `driver.c`."""

    program: Path
    config: FrontEndConfig
    sample_type: str

    def log_mel(self, samples: np.ndarray, per_push: int = 0, mode: str = "clip") -> np.ndarray:
        """float32 [frames, mel bins]; by default pushes hop by hop."""
        return self._frames(samples, np.float32, per_push, mode)

    def quantised(self, samples: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
        """int8 [frames, mel bins]."""
        return self._frames(samples, np.int8, 0, "clip", repr(scale), str(zero_point))

    def _frames(self, samples, dtype, per_push: int, mode: str, *more: str) -> np.ndarray:
        assert samples.dtype.name == self.sample_type
        command = [self.program, str(per_push or self.config.hop_samples), mode, *more]
        done = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return np.frombuffer(done.stdout, dtype).reshape(-1, self.config.mel_bins)


def compile_c(
    folder: Path,
    sources: Sequence[Path | str],
    program: str,
    *more: str,
    language: Sequence[str] = ("-std=c99",),
) -> Path:
    """Compiles sources in a folder with all warnings as errors, and with sanitizers."""
    done = try_to_compile(folder, sources, program, *more, language=language)
    assert done.returncode == 0, done.stderr
    return folder / program


def try_to_compile(
    folder: Path,
    sources: Sequence[Path | str],
    program: str,
    *more: str,
    language: Sequence[str] = ("-std=c99",),
) -> subprocess.CompletedProcess[str]:
    """The same, whether or not it succeeds."""
    files = [f"-I{folder}", *map(str, sources), "-lm", "-o", program]
    return subprocess.run(
        [str(COMPILER), *language, *STRICT, *more, *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def compiler_of(folder: Path) -> Callable[..., CompiledFrontEnd]:
    """A function that compiles front ends below a folder, each once."""

    @cache
    def compile_front_end(
        config: FrontEndConfig, sample_type: str = INT16, fft: str = ""
    ) -> CompiledFrontEnd:
        own = folder / str(compile_front_end.cache_info().misses)
        write_front_end(config, own, sample_type)
        sources = ["front_end.c", HERE / "driver.c", *([HERE / f"{fft}.c"] if fft else [])]
        flags = [f"-DFRONT_END_RFFT={fft}"] if fft else []
        return CompiledFrontEnd(compile_c(own, sources, "driver", *flags), config, sample_type)

    return compile_front_end
