"""TensorBoard at work on a run, opened in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser

SCREEN = (1500, 1000)
_SECONDS = 60
_ADDRESS = re.compile(r"TensorBoard \S+ at (http://\S+)")

# Half of TensorBoard's pages are web components, whose contents `querySelectorAll` does not find.
_FIND = """
const found = [];
const walk = (root) => {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(arguments[0])) found.push(element);
    if (element.shadowRoot) walk(element.shadowRoot);
  }
};
walk(document);
"""


class Board:
    """TensorBoard in a browser.

    Args:
        browser: the browser.
        address: where TensorBoard serves.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address

    def open(self, tab: str = "") -> None:
        """Opens a tab anew, as a link to it does; without one, what the bare address shows."""
        self.browser.driver.get("about:blank")
        self.browser.driver.get(f"{self.address}#{tab}" if tab else self.address)

    def values(self, selector: str, property_: str) -> list[Any]:
        """A property of all elements, also of those inside of web components."""
        script = f"{_FIND} return found.map((element) => element[arguments[1]]);"
        return self.browser.run(script, selector, property_)

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements."""
        return [text.strip() for text in self.values(selector, "textContent")]

    def shown(self, selector: str) -> int:
        """Number of the elements that take room on the page."""
        return sum(width > 0 for width in self.boxes(selector))

    def boxes(self, selector: str) -> list[float]:
        """Widths of all elements on the page."""
        script = f"{_FIND} return found.map((e) => e.getBoundingClientRect().width);"
        return self.browser.run(script, selector)

    def pictures(self, selector: str) -> list[bytes]:
        """PNG pictures of all elements that are in no web component."""
        found = self.browser.driver.find_elements("css selector", selector)
        return [element.screenshot_as_png for element in found]

    def click(self, selector: str, text: str) -> None:
        """Clicks the first element with a text."""
        chosen = "(element) => element.textContent.trim().toLowerCase() == arguments[1]"
        script = f"{_FIND} found.find({chosen}).click();"
        self.browser.run(script, selector, text)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Waits until something is shown; the machine may be busy."""
        for _ in range(_SECONDS * 4):
            if condition():
                return
            time.sleep(0.25)
        picture = self.browser.screenshot("tensorboard-failed", whole=False)
        pytest.fail(f"after {_SECONDS} s there was no {what}: {picture}")


@contextmanager
def tensorboard(logdir: Path) -> Iterator[str]:
    """The address of a TensorBoard that serves a directory, as a user starts it."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := _ADDRESS.search(line):
                yield found[1]
                return
        pytest.fail(f"TensorBoard ended: {''.join(said)[-2000:]}")
    finally:
        process.terminate()
        process.communicate()
