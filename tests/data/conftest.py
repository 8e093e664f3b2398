"""Small images for the tests of the data half."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import ssiu_arch  # noqa: F401 (patches the import of BasicSR for the tests that read with it)
from ssiu_arch.data import known_sets
from ssiu_arch.data.faults import jpeg_traces
from ssiu_arch.data.sub_images import make_lr

SHARED = Path(__file__).resolve().parents[3] / "shared"

Image = NDArray[np.uint8]


def smooth(height: int, width: int, seed: int = 0) -> Image:
    """Something like a photo: (height, width, 3), smooth, different for each ``seed``."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2).astype(float)
    return np.clip((blurred - 128) * 6 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def photo() -> Callable[..., Image]:
    return smooth


@pytest.fixture
def folder_of_photos(tmp_path: Path) -> Callable[..., Path]:
    """Makes ``tmp_path/NAME`` with ``count`` PNG photos of differing sizes."""

    def make(count: int = 3, name: str = "photos", height: int = 100, width: int = 130) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for i in range(count):
            cv2.imwrite(str(folder / f"img{i}.png"), smooth(height + 7 * i, width - 5 * i, i))
        return folder

    return make


@pytest.fixture
def published(monkeypatch) -> Callable[..., None]:
    """Makes images known as a published set: ``published("Set5", {name: image})``; ``one_by_one``: and each of them."""

    def register(name: str, images: dict[str, Image], one_by_one: bool = True) -> None:
        digest = known_sets.set_digest((stem, image.shape[1::-1], pixel(image)) for stem, image in images.items())
        known = {stem: describe(image) for stem, image in images.items()} if one_by_one else {}
        monkeypatch.setitem(known_sets.SETS, name, known_sets.KnownSet(len(images), digest, known))

    def pixel(image: Image) -> str:
        return known_sets.pixel_digest(image)

    def describe(image: Image) -> known_sets.KnownImage:
        hr, core, *lr = (
            pixel(each)[: known_sets.DIGITS]
            for each in (image, known_sets.core(image), *(make_lr(image, scale) for scale in (2, 3, 4)))
        )
        contrast = abs(np.diff(image.astype(float), axis=1)).mean()
        lr_digests = dict(zip((2, 3, 4), lr, strict=True))
        colour = tuple(image.mean((0, 1))[::-1])
        return known_sets.KnownImage(*image.shape[1::-1], hr, core, lr_digests, colour, contrast, jpeg_traces(image))

    return register


class Server(ThreadingHTTPServer):
    """Serves ``data``; breaks the connection after ``limit`` bytes, if that is set, and notes every request."""

    status = 200
    ranges = True
    announce = True

    def __init__(self, data: bytes, limit: int | None = None) -> None:
        self.data, self.limit = data, limit
        self.requests: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(server.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if server.announce:
            self.send_header("Content-Length", str(len(server.data) - start))
        self.end_headers()
        self.wfile.write(server.data[start:][: server.limit])
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A server on this machine: ``serve(data, limit=None)``."""
    with ExitStack() as running:

        def start(data: bytes, limit: int | None = None) -> Server:
            server = running.enter_context(Server(data, limit))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            running.callback(thread.join)
            running.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def shared_benchmark() -> Path:
    """The published benchmark files beside the checkout; tests that need them are skipped without."""
    folder = SHARED / "data" / "benchmark"
    if not folder.is_dir():
        pytest.skip(f"no published benchmark files at {folder}")
    return folder
