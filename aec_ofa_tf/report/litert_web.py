"""LiteRT's runtime for browsers, the npm package `@litertjs/core`, as one script for a page.

The package is for web servers: a module that fetches WebAssembly. A page that is opened from disk
may load neither modules nor data, but scripts of the ordinary kind. So the module becomes the body
of a function, and the WebAssembly a text.

`npm/package.json` names the version and `npm/package-lock.json` the checksums that npm compares.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from absl import logging

from aec_ofa_tf.files import DAMAGE_ERRORS, read_json

PACKAGE = "@litertjs/core"

NPM_FILES = resources.files("aec_ofa_tf.report").joinpath("npm")
"""What npm installs: the name of the version, and its checksums."""

_REQUEST = ("package.json", "package-lock.json")
_MODULE = "dist/index.js"
# The build for every browser. The one with relaxed SIMD is not faster for networks of this size,
# and its scores depend on the processor.
_LOADER, _WASM = "wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm"
_IMPORT = re.compile(r'^import \{ createWasmLib \} from "@litertjs/wasm-utils";$', re.MULTILINE)
_EXPORT = re.compile(r"^export \{([\w\s,]+)\};$", re.MULTILINE)
_LICENCE = (
    "/* {package} {version}, Copyright Google LLC, Apache License 2.0,\n"
    "   https://www.apache.org/licenses/LICENSE-2.0; changed: the module is a function. */\n"
)
# npm's settings: no scripts of packages, nothing but the packages, and soon an end without network.
_SETTINGS = {
    "npm_config_ignore_scripts": "true",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_timeout": "60000",
}
_NPM_SECS = 600
_UNTOLD = re.compile(r"code |errno |syscall |A complete log|$")


def version() -> str:
    """The version of the package that this project is tested with."""
    return str(json.loads(_packaged("package.json"))["dependencies"][PACKAGE])


def open_package(folder: Path | None) -> Path:
    """Finds the package, or lets npm install it into the user's cache.

    Args:
        folder: folder of the package, or one that npm has installed it into; None for the cache.

    Returns:
        The folder of the package.

    Raises:
        ValueError: there is no such package, or another version, in the folder.
        RuntimeError: npm is missing or fails.
        OSError: the cache cannot be written.
    """
    if folder is not None:
        return _checked(folder)
    cache = _cache()
    if not cache.is_dir():
        _install(cache)
    return _checked(cache)


def runtime_script(package: Path) -> str:
    """The package as a script.

    It defines `ModuleFactory` (Emscripten's), `LITERT_WASM` (base64 of a gzip file) and
    `defineLiteRt(createWasmLib, console, navigator)`, which returns what the module exports.

    Raises:
        ValueError: the package has another form than that of this version.
        OSError: it cannot be read.
    """
    module = (package / _MODULE).read_text(encoding="utf-8")
    imports, exports = _IMPORT.findall(module), _EXPORT.findall(module)
    if len(imports) != 1 or len(exports) != 1:
        raise ValueError(f"{package / _MODULE} is not that of {PACKAGE} {version()}: install it")
    body = _EXPORT.split(_IMPORT.sub("", module))[0]
    wasm = gzip.compress((package / _WASM).read_bytes(), mtime=0)
    return "".join(
        [
            _LICENCE.format(package=PACKAGE, version=version()),
            (package / _LOADER).read_text(encoding="utf-8"),
            f'const LITERT_WASM = "{base64.b64encode(wasm).decode("ascii")}";\n',
            "function defineLiteRt(createWasmLib, console, navigator) {\n",
            f"{body}\nreturn {{{exports[0]}}};\n}}\n",
        ]
    )


def _checked(folder: Path) -> Path:
    """The folder of the package, in which all files are that a script is made of."""
    installed = folder / "node_modules" / PACKAGE
    package = installed if installed.is_dir() else folder
    try:
        described = read_json(package / "package.json")
        found = f"{described['name']} {described['version']}"
    except (OSError, *DAMAGE_ERRORS):
        found = "no package of npm"
    needed = f"{PACKAGE} {version()}"
    missing = [name for name in (_MODULE, _LOADER, _WASM) if not (package / name).is_file()]
    if found == needed and missing:
        found = f"it without {missing[0]}"
    elif found == needed:
        return package
    raise ValueError(
        f"litert_web names the folder of {needed}, but {folder} has {found}: "
        f"`npm install {PACKAGE}@{version()}` in an empty folder makes one"
    )


def _install(cache: Path) -> None:
    """Installs what the lock file lists; the cache gets its name when it is whole."""
    npm = shutil.which("npm")
    instead = f"give litert_web, a folder in which `npm install {PACKAGE}@{version()}` was run"
    if npm is None:
        raise RuntimeError(
            f"the page needs {PACKAGE} {version()}, which npm installs, but there is no npm: "
            f"install Node.js with npm, or {instead} on another computer"
        )
    cache.parent.mkdir(parents=True, exist_ok=True)
    logging.info("npm installs %s %s into %s", PACKAGE, version(), cache)
    with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
        folder = Path(temporary) / "package"
        folder.mkdir()
        for name in _REQUEST:
            (folder / name).write_text(_packaged(name), encoding="utf-8")
        reason = _run([npm, "ci"], folder)
        if reason:
            raise RuntimeError(f"npm could not install {PACKAGE} {version()} ({reason}): {instead}")
        if not cache.is_dir():
            folder.rename(cache)


def _run(command: list[str], folder: Path) -> str:
    """Runs npm; returns why it failed, or ""."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **_SETTINGS},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_NPM_SECS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {_NPM_SECS} s"
    if done.returncode == 0:
        return ""
    told = re.findall(r"^npm (?:error|ERR!) *(.*)$", done.stderr, re.MULTILINE)
    reasons = [line for line in told if not _UNTOLD.match(line)]
    return reasons[0].rstrip(".") if reasons else f"exit code {done.returncode}"


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "aec-ofa-tf" / f"litert-web-{version()}"


def _packaged(name: str) -> str:
    return NPM_FILES.joinpath(name).read_text(encoding="utf-8")
