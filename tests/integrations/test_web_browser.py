"""``ssiu web`` in a real browser: upload, enlarge, compare, download; nothing leaves the machine or stays on it."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.integrations.browser import Browser

pytest.importorskip("gradio", reason="gradio, of the extra web, is not installed")
if not shutil.which("chromium"):
    pytest.skip("no chromium to test the page with", allow_module_level=True)

COMMAND = "import sys; from ssiu_arch.cli.main import ssiu; sys.exit(ssiu(sys.argv[1:]))"
CLICK = "[...document.querySelectorAll('button')].find(each => each.innerText == 'Enlarge').click()"
LINKS = "[...document.querySelectorAll('a[download]')].filter(each => !each.href.includes('.webp'))"
SHOWN = "[...document.querySelectorAll('img')].filter(each => each.naturalWidth == {width}).length >= 2"


@pytest.fixture
def server(root, tmp_path):
    """The address of the page; afterwards the process is terminated, and must leave no file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, "web", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert f"http://127.0.0.1:{port}/" in line
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
    assert not list((tmp_path / "tmp").iterdir())


def test_upload_enlarge_compare_download(server, ssiu, tmp_path):
    rng = np.random.default_rng(0)
    photos = [tmp_path / "one.png", tmp_path / "two.jpg"]
    for photo, width in zip(photos, (25, 30), strict=True):
        Image.fromarray(rng.integers(0, 256, (18, width, 3), np.uint8)).save(photo)
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert ssiu("upscale", *photos, "-o", tmp_path / "out", "--quiet")[0] == 0
    with Browser(tmp_path / "profile") as browser:
        browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
        browser("Page.navigate", url=server)
        browser.upload(photos[0], tmp_path / "broken.png", photos[1])
        browser.wait(f"{LINKS}.length == 3")
        browser.run(CLICK)
        browser.wait(f"{LINKS}.length == 5")
        assert browser.wait("document.body.innerText.match(/broken.png: .*/)?.[0]")
        browser.wait(SHOWN.format(width=100))
        browser.run(f"{LINKS}[4].closest('tr').click()")
        browser.wait(SHOWN.format(width=120))
        for n, photo in enumerate(photos, 3):
            browser.run(f"{LINKS}[{n}].click()")
            browser.wait_for(tmp_path / "downloads" / photo.name)
            assert (tmp_path / "downloads" / photo.name).read_bytes() == (tmp_path / "out" / photo.name).read_bytes()
        assert len(browser.requests) > 10
        assert not [address for address in browser.requests if not address.startswith((server, "data:", "blob:"))]


def test_a_bad_file_alone_is_an_error_in_one_line(server, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with Browser(tmp_path / "profile") as browser:
        browser("Page.navigate", url=server)
        browser.upload(tmp_path / "broken.png")
        browser.wait(f"{LINKS}.length == 1")
        browser.run(CLICK)
        said = browser.wait("document.body.innerText.match(/.*broken.png: .*/)?.[0]")
        assert said.startswith("broken.png: ")
