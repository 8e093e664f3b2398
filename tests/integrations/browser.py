"""A headless Chromium, driven by the DevTools protocol over a pipe: without a driver and a WebSocket."""

import json
import shutil
import subprocess
import time

START = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'  # Chromium reads commands from 3 and answers on 4


class Browser:
    """One page; ``requests`` are the addresses that it has asked for."""

    def __init__(self, folder):
        self.requests, self._count = [], 0
        options = [
            "--headless",
            "--no-sandbox",
            "--remote-debugging-pipe",
            "--window-size=1100,1000",
            f"--user-data-dir={folder}",
        ]
        command = ["sh", "-c", START, "sh", shutil.which("chromium"), *options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._session = {}
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "DOM"):
            self(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate()

    def __call__(self, method, **parameters):
        """The answer to one command of the protocol."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters, **self._session}
        self._process.stdin.write(json.dumps(command).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            said = json.loads(self._message())
            if said.get("method") == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            if said.get("id") == self._count:
                assert "error" not in said, (method, said)
                return said["result"]

    def _message(self):
        parts = bytearray()
        while (byte := self._process.stdout.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            parts += byte
        return bytes(parts)

    def run(self, script):
        """The value of an expression in JavaScript."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script, seconds=120):
        """The value of an expression, once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"{script}: {self.run('document.body.innerText')}"
            time.sleep(0.2)
        return value

    def upload(self, *paths):
        """Give files to the page's first input for files."""
        self.wait("!!document.querySelector('input[type=file]')")
        root = self("DOM.getDocument")["root"]["nodeId"]
        node = self("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
        self("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=node)

    def wait_for(self, path, seconds=60):
        """Wait until a download is there; Chromium gives it its name at the end."""
        end = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < end, path
            time.sleep(0.1)
