"""A headless Chromium, driven by WebDriver: what tests of the page need of it and no more."""
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import harness

OPTIONS = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-quic", "--window-size=1100,900", "--lang=en-GB"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " "}


class Refused(Exception):
    """WebDriver's own error."""


def may_make_namespaces():
    """What Chromium's sandbox is made of; root has none, nor who is in a chroot or most containers."""
    return os.getuid() != 0 and subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--net", "--fork", "true"],
                                               stderr=subprocess.DEVNULL, check=False).returncode == 0


class Element:
    def __init__(self, browser, reference):
        self.browser, self.reference = browser, reference

    def ask(self, what):
        return self.browser.ask("GET", f"/element/{self.reference}/{what}")

    def text(self):
        return self.ask("text")

    def name(self):
        """What a screen reader calls it."""
        return self.ask("computedlabel")

    def role(self):
        return self.ask("computedrole")

    def click(self):
        self.browser.ask("POST", f"/element/{self.reference}/click", {})

    def type(self, text):
        self.browser.ask("POST", f"/element/{self.reference}/value", {"text": text})

    def clear(self):
        self.browser.ask("POST", f"/element/{self.reference}/clear", {})


class Browser:
    def __init__(self, port, home):
        self.root = f"http://127.0.0.1:{port}"
        options = [*OPTIONS, f"--user-data-dir={home}", *([] if may_make_namespaces() else ["--no-sandbox"])]
        told = self.send("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": options}}}})
        self.session = told["sessionId"]

    def send(self, method, path, body=None):
        request = urllib.request.Request(self.root + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["value"]["message"]) from error

    def ask(self, method, path, body=None):
        return self.send(method, f"/session/{self.session}{path}", body)

    def go(self, address):
        self.ask("POST", "/url", {"url": address})

    def all(self, selector):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [Element(self, one[ELEMENT]) for one in found]

    def one(self, selector, text=None):
        """The first that is there, with this text in it: waited for."""
        def find():
            return next((one for one in self.all(selector) if text is None or text in one.text()), None)
        return self.until(find, f"{selector} {text or ''}")

    def click(self, selector, text=None):
        """Finds and clicks; again when it was replaced in between."""
        def find_and_click():
            self.one(selector, text).click()
            return True
        self.until(find_and_click, f"a click on {selector} {text or ''}")

    def until(self, condition, what):
        deadline = time.monotonic() + harness.DEADLINE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Refused):  # it was replaced while it was looked at
                value = condition()
                if value:
                    return value
            time.sleep(0.02)
        raise AssertionError(f"never: {what}; there is: {self.one('body').text()[:2000]}")

    def press(self, key):
        key = KEYS.get(key, key)
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def focused(self):
        return Element(self, self.ask("GET", "/element/active")[ELEMENT])

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def complaints(self):
        """What the browser's console has of warnings and errors."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("WARNING", "SEVERE")]

    def scheme(self, name):
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": name}]}})

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextlib.contextmanager
def browsing():
    with tempfile.TemporaryDirectory() as home, \
            subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             preexec_fn=harness.die_with_parent, env={**os.environ, "HOME": home}) as driver:
        try:
            line = next(line for line in driver.stdout if "started successfully" in line)
            browser = Browser(int(re.search(r"port (\d+)", line).group(1)), home)
            try:
                yield browser
            finally:
                browser.ask("DELETE", "")
        finally:
            driver.terminate()
            driver.wait()
