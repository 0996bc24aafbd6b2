"""A real browser without a window, for pages that this project writes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="no Chromium with its driver: apt-get install chromium chromium-driver",
)

DESKTOP, PHONE = (1200, 900), (390, 844)

# What ends beyond the right edge of the screen, apart from tables, which are scrolled.
BEYOND = """
return [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll table") && e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80));
"""


class Browser:
    """A running Chromium.

    Args:
        screenshots: folder of the pictures that tests take.
        switches: further switches of Chromium's command line.
    """

    def __init__(self, screenshots: Path, switches: Sequence[str] = ()) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        always = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage")
        for argument in (*always, *switches):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(DRIVER)
        self.driver = webdriver.Chrome(options, service)
        self.screenshots = screenshots

    def command(self, name: str, **arguments: object) -> Any:
        """A command of Chromium's debugging protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: object) -> Any:
        """What a script of the page returns."""
        return self.driver.execute_script(script, *arguments)

    def use(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        """Sets the size of the screen and the system's colours."""
        width, height = size
        phone = size == PHONE
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        self.command("Emulation.setTouchEmulationEnabled", enabled=phone)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def allow_clipboard(self) -> None:
        """Lets pages read and write the clipboard, which they may do in a window that is used."""
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self.command("Browser.grantPermissions", permissions=permissions)
        self.command("Emulation.setFocusEmulationEnabled", enabled=True)

    def wait_for(self, script: str, *arguments: object, secs: float = 30) -> Any:
        """What a script returns as soon as it is something; the machine may be busy."""
        end = time.monotonic() + secs
        while not (found := self.run(script, *arguments)) and time.monotonic() < end:
            time.sleep(0.05)
        assert found, script
        return found

    def open(self, page: Path | str) -> None:
        """Opens a file or a URL, without what was logged before."""
        self.messages()
        self.requests()
        self.driver.get(page if isinstance(page, str) else page.resolve().as_uri())

    def messages(self) -> list[str]:
        """What the console shows since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """URLs that were asked for since the last call."""
        rows = (json.loads(row["message"]) for row in self.driver.get_log("performance"))
        events = (row["message"] for row in rows)
        sent = (e["params"] for e in events if e["method"] == "Network.requestWillBeSent")
        return [parameters["request"]["url"] for parameters in sent]

    def screenshot(self, name: str, whole: bool = True) -> Path:
        """Takes a picture of the page, or of what a screen shows of it."""
        size = "return [innerWidth, document.documentElement.scrollHeight]"
        width, height = self.run(size)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        part = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        taken = self.command("Page.captureScreenshot", **part)
        path = self.screenshots / f"{name}.png"
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


@contextmanager
def chromium(paths: pytest.TempPathFactory, *switches: str) -> Iterator[Browser]:
    """A browser for the tests of a file; `TEST_SCREENSHOTS` names the folder of pictures."""
    named = os.environ.get("TEST_SCREENSHOTS")
    folder = Path(named) if named else paths.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser(folder, switches)
    try:
        yield browser
    finally:
        browser.driver.quit()
