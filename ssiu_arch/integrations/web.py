"""A web page that enlarges images as ``ssiu upscale`` does; ``ssiu web`` serves it on this machine."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from ssiu_arch.inference.jobs import READ, find_jobs, upscale_file
from ssiu_arch.inference.photo import photo_size, read_photo
from ssiu_arch.inference.upscaler import Upscaler
from ssiu_arch.utils.errors import UserError, in_one_line
from ssiu_arch.weights import load
from ssiu_arch.weights.shipped import shipped

if TYPE_CHECKING:
    import gradio

MOST_BYTES, MOST_PIXELS = 100 * 2**20, 2**24  # of one image
PREVIEW = 2048  # pixels of its longer side; what is downloaded is whole
KEPT = 3600  # seconds, then uploads and results are removed, at the latest when the server ends
SCALES = {f"x{scale}": shipped(scale) for scale in (2, 3, 4)}
CSS = "#results .label-clear-button {display: none}"  # a result removed would be compared with another image
RESULTS = "Results: click a size to download, a name to compare"
ABOUT = "# SSIU\nEnlarges images with clean detail. Noise and JPEG artefacts are enlarged, too, not removed."


@lru_cache(maxsize=4)
def upscaler(weights: Path) -> Upscaler:
    """The upscaler with a file's weights, on a CUDA GPU if there is one."""
    return Upscaler(load(weights).to("cuda" if torch.cuda.is_available() else "cpu"))


def enlarged(source: Path, weights: Path, folder: Path) -> Path:
    """The file in ``folder`` with the bytes that ``ssiu upscale`` writes for ``source`` by default.

    Raises:
        UserError: the image is too large for the page, cannot be read, or does not fit in memory.
    """
    (job,) = find_jobs([str(source)], folder, None)
    height, width = photo_size(source)
    if height * width > MOST_PIXELS:
        raise UserError(f"{source}: {width}x{height} is more than {MOST_PIXELS:,} pixels; use the command ssiu upscale")
    upscale_file(job, upscaler(weights))
    return job.target


def before_and_after(source: Path, target: Path) -> tuple[Image.Image, Image.Image]:
    """Pictures of one size for a comparison: the image enlarged by bicubic interpolation, and the result."""
    after, before = _shown(target), _shown(source)
    after.thumbnail((PREVIEW, PREVIEW))
    return before.resize(after.size, Image.Resampling.BICUBIC), after


def _shown(path: Path) -> Image.Image:
    samples = read_photo(path).upright().samples
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    return Image.fromarray(samples[:, :, :3] if samples.shape[2] > 2 else samples[:, :, 0]).convert("RGB")


def page(own: Path | None = None) -> "gradio.Blocks":
    """The page, with the shipped weights and ``own`` to choose from."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by the import, too
    import gradio as gr

    choices = {**SCALES, **({own.name: own} if own else {})}

    def enlarge(
        sources: list[str] | None,
        weights: str,
        progress: Any = gr.Progress(),  # noqa: B008 (how gradio passes it)
    ) -> Iterator[tuple[Any, ...]]:
        done: dict[Path, Path] = {}
        errors = []
        with tempfile.TemporaryDirectory() as folder:  # gradio copies the results from it
            for n, source in enumerate(map(Path, sources or [])):
                progress((n, len(sources or [])), desc=source.name)
                try:
                    done[source] = enlarged(source, choices[weights], Path(folder, str(n)))
                except UserError as error:
                    errors.append(in_one_line(error).replace(f"{source.parent}{os.sep}", ""))
            if not done:
                raise gr.Error("; ".join(errors) or "choose an image first", print_exception=False)
            for line in errors:
                gr.Warning(line)
            yield list(map(str, done.values())), before_and_after(*next(iter(done.items()))), list(done)

    def compare(sources: list[Path], results: list[str], chosen: gr.SelectData) -> tuple[Image.Image, Image.Image]:
        return before_and_after(sources[chosen.index], Path(results[chosen.index]))

    with gr.Blocks(title="SSIU", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as blocks:
        gr.Markdown(ABOUT)
        with gr.Row():
            files = gr.Files(label="Images", file_types=list(READ))
            results = gr.Files(label=RESULTS, elem_id="results", interactive=False)
        weights = gr.Radio(list(choices), value=own.name if own else "x4", label="Scale or weights")
        start, done = gr.Button("Enlarge", variant="primary"), gr.State([])
        slider = gr.ImageSlider(label="Before (bicubic) and after", interactive=False, buttons=["fullscreen"])
        start.click(enlarge, [files, weights], [results, slider, done])
        results.select(compare, [done, results], slider)
    return blocks


def serve(own: Path | None = None, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until the process is interrupted or terminated; then uploads and results are removed.

    Raises:
        UserError: the weights cannot be loaded, or the address cannot be used.
    """
    if own:
        upscaler(own)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise UserError(f"--host {host}, --port {port}: cannot be used ({error.strerror}); choose another") from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # removes the files, as Ctrl-C does
    with tempfile.TemporaryDirectory(prefix="ssiu_web_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        site, at = page(own), {"server_name": host, "server_port": port, "share": False, "ssr_mode": False}
        site.launch(**at, max_file_size=MOST_BYTES, css=CSS, footer_links=[], quiet=True, prevent_thread_lock=True)
        print(f"ssiu web: {site.local_url} (Ctrl-C ends it)", flush=True)
        site.block_thread()
