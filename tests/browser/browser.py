"""A headless Chromium, driven through chromedriver's HTTP protocol (W3C WebDriver)."""

import base64
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

# How many pixels of a canvas differ from its first one: its ink.
INK = """
return [...document.querySelectorAll('canvas')].map((canvas) => {
  const holder = canvas.closest('[id]');
  if (!canvas.width || !canvas.height) return [holder.id, 0];
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let ink = 0;
  for (let i = 4; i < data.length; i += 4) {
    if (data[i] !== data[0] || data[i + 1] !== data[1] || data[i + 2] !== data[2] ||
        data[i + 3] !== data[3]) ++ink;
  }
  return [holder.id, ink];
});
"""


class Browser:
    """One window. Close it when done: `with Browser() as browser`."""

    def __init__(self, width: int = 1280, height: int = 1600, dark: bool = False) -> None:
        self.profile = tempfile.TemporaryDirectory()
        self.log = open(pathlib.Path(self.profile.name) / "driver.log", "w+", encoding="utf-8")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=self.log,
                                       stderr=subprocess.STDOUT)
        self.session = None
        try:
            self.address = f"http://127.0.0.1:{self._port()}/session"
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                         "--disable-dev-shm-usage", f"--user-data-dir={self.profile.name}/profile",
                         f"--window-size={width},{height}"]
            if dark:
                arguments.append("--force-dark-mode")
            answer = self._call("POST", "", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"args": arguments}}}})
            self.session = answer["sessionId"]
            # The window of a desktop browser is never as narrow as a telephone.
            self._call("POST", f"/{self.session}/goog/cdp/execute", {
                "cmd": "Emulation.setDeviceMetricsOverride",
                "params": {"width": width, "height": height, "deviceScaleFactor": 1,
                           "mobile": width < 600}})
            self._call("POST", f"/{self.session}/goog/cdp/execute", {
                "cmd": "Emulation.setEmulatedMedia",
                "params": {"features": [{"name": "prefers-color-scheme",
                                         "value": "dark" if dark else "light"}]}})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self.session:
            self._call("DELETE", f"/{self.session}")
            self.session = None
        self.driver.terminate()
        self.driver.wait()
        self.log.close()
        self.profile.cleanup()

    def open(self, url: str) -> None:
        self._call("POST", f"/{self.session}/url", {"url": url})

    def run(self, script: str, *arguments):
        """What a piece of JavaScript returns."""
        return self._call("POST", f"/{self.session}/execute/sync",
                          {"script": script, "args": list(arguments)})

    def ink(self) -> dict[str, int]:
        """Pixels drawn, of every canvas, by the id of the element it stands in."""
        return dict(self.run(INK))

    def console(self) -> list[str]:
        """What the page has complained of since the last call."""
        entries = self._call("POST", f"/{self.session}/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("WARNING", "SEVERE")]

    def picture(self, path: str, whole: bool = True) -> None:
        """A PNG of the page, or of what the window shows."""
        answer = self._call("POST", f"/{self.session}/goog/cdp/execute", {
            "cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": whole}
            | ({"clip": {"x": 0, "y": 0, "scale": 1, **self.run(
                "return {width: innerWidth, height: document.documentElement.scrollHeight}")}}
               if whole else {})})
        pathlib.Path(path).write_bytes(base64.b64decode(answer["data"]))

    def _port(self) -> int:
        for _ in range(200):
            self.log.flush()
            text = pathlib.Path(self.log.name).read_text(encoding="utf-8")
            if match := re.search(r"started successfully on port (\d+)", text):
                return int(match.group(1))
            if self.driver.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("chromedriver did not start")

    def _call(self, method: str, path: str, body: dict | None = None):
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        # Never through a proxy: the driver is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None
