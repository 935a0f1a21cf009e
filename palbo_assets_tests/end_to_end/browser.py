"""Headless Chromium over the DevTools protocol: open a page, read its text, click, take a picture."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from palbo_assets_tests.databases import free_port
from palbo_assets_tests.end_to_end.dagster_processes import die_with_the_tests, kill_tree, wait_until

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1600,1000",
)  # fmt: skip

# The innermost visible elements whose own text is (or begins with) what is looked for.
_FIND = """
(text, exact) => [...document.querySelectorAll('button, a, label, input, [role], span, div, td, th, p, h1, h2')]
  .filter(node => { const box = node.getBoundingClientRect(); return box.width > 0 && box.height > 0; })
  .filter(node => { const own = (node.innerText || node.placeholder || '').trim();
                    return exact ? own === text : own.startsWith(text); })
  .filter((node, _, all) => !all.some(other => other !== node && node.contains(other)))
"""


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._serial = 0
        self.command("Page.enable")
        self.command("Runtime.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._serial += 1
        self._socket.send(json.dumps({"id": self._serial, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._serial:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page; promises are awaited."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.command("Page.navigate", url=url)
        wait_until(lambda: self.evaluate("document.readyState") == "complete", 60, f"{url} loads")

    def text(self) -> str:
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def shows(self, *texts: str, seconds: float = 60) -> None:
        """Wait until the page shows all of these."""
        wait_until(lambda: all(text in self.text() for text in texts), seconds, f"the page shows {texts}")

    def click(self, text: str, *, exact: bool = True, number: int = 0, seconds: float = 30) -> None:
        """Click, with the mouse, the element of this text (the ``number``-th where there are many, -1 the last)."""

        def place() -> list[float] | None:
            found = self.evaluate(
                f"({_FIND})({json.dumps(text)}, {json.dumps(exact)})"
                f".map(node => {{ node.scrollIntoView({{block: 'nearest'}}); const box = node.getBoundingClientRect();"
                " return [box.x + box.width / 2, box.y + box.height / 2]; })"
            )
            return found[number] if found and -len(found) <= number < len(found) else None

        def resting_place() -> list[float] | None:
            """Menus slide in: what still moves would be missed."""
            first = place()
            time.sleep(0.3)
            return first if first is not None and place() == first else None

        x, y = wait_until(resting_place, seconds, f"something to click says {text!r}")
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press_escape(self) -> None:
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)

    def screenshot(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A headless Chromium with one tab, killed at the end."""
    port = free_port()
    executable = chromium()
    assert executable is not None
    with (profile.parent / "chromium.log").open("ab") as log:
        process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={profile}", f"--remote-debugging-port={port}", "about:blank"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_the_tests,
        )
    try:
        target = wait_until(lambda: _tab(port), 60, "Chromium answers")
        with connect(target, max_size=None) as socket:
            yield Page(socket)
    finally:
        kill_tree(process)


def _tab(port: int) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
    except OSError:
        return None
    return str(tabs[0]["webSocketDebuggerUrl"]) if tabs else None
