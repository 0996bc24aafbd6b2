"""The runtime for browsers, installed by npm once for all tests."""

import os
import re
import shutil
from pathlib import Path
from unittest import mock

import pytest

from aec_ofa_tf.report.litert_web import open_package
from tests.shared import made_once

NPM = shutil.which("npm")
needs_npm = pytest.mark.skipif(not NPM, reason="no npm: it comes with Node.js")

_NO_NETWORK = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network|no end")


def installed(paths: pytest.TempPathFactory) -> Path:
    """The folder of the package; skips the test where npm has no network."""
    found = made_once(paths, "litert_web", _install)
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _install(folder: Path) -> Path | str:
    with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder)}):
        try:
            return open_package(None)
        except RuntimeError as error:
            if not _NO_NETWORK.search(str(error)):
                raise
            return str(error)
