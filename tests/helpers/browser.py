"""Chromium without a window, driven by its DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import websocket  # comes with Jupyter

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


class Browser:
    """A running Chromium with one page. `events` holds what it said since the page was opened."""

    def __init__(self, profile: Path):
        options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # which Chromium cannot have as root
        nowhere = subprocess.DEVNULL
        self.process = subprocess.Popen([CHROMIUM, *options], stdout=nowhere, stderr=nowhere)
        port, path = self.wait_for_port(profile / "DevToolsActivePort")
        url = f"ws://127.0.0.1:{port}{path}"
        self.socket = websocket.create_connection(url, timeout=120, suppress_origin=True)
        self.number, self.session, self.events = 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def wait_for_port(self, file: Path) -> list[str]:
        for _ in range(600):
            if file.is_file() and len(lines := file.read_text().split()) == 2:
                return lines
            time.sleep(0.1)
        raise TimeoutError("Chromium does not answer")

    def call(self, method: str, **parameters):
        """Send a command and wait for its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str, width: int = 1100, dark: bool = False) -> None:
        """Open a page in a window of this width, and wait until all of it is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", **size, mobile=False)
        self.go("about:blank")  # so that a link to another part of a page loads it too
        self.go(url)
        self.run("window.MathJax && MathJax.startup && MathJax.startup.promise")

    def go(self, url: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.said("Page.loadEventFired"):
            self.events.append(json.loads(self.socket.recv()))

    def run(self, code: str):
        """The value of a piece of JavaScript; of a promise, what it promised."""
        options = {"awaitPromise": True, "returnByValue": True}
        result = self.call("Runtime.evaluate", expression=code, **options)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, code: str, seconds: float = 30):
        """The value of a piece of JavaScript as soon as there is one."""
        for _ in range(int(10 * seconds)):
            with suppress(AssertionError):  # one page has gone, and the next is not there yet
                if value := self.run(code):
                    return value
            time.sleep(0.1)
        raise TimeoutError(code)

    def said(self, method: str) -> list[dict]:
        """The parameters of all events of a kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def complaints(self) -> list[dict]:
        """Errors and warnings of the page on the console, and files that it could not load."""
        console = self.said("Runtime.consoleAPICalled")
        return [
            *self.said("Runtime.exceptionThrown"),
            *self.said("Network.loadingFailed"),
            *(entry for entry in self.said("Log.entryAdded")),
            *(entry for entry in console if entry["type"] in ("error", "warning", "assert")),
        ]

    def requests(self) -> list[str]:
        return [event["request"]["url"] for event in self.said("Network.requestWillBeSent")]

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait()
