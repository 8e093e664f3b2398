"""The training as a background process.

Three files lie beside its folder ``experiments/NAME``, which BasicSR renames as long as it holds no state:
``NAME.pid`` (host, process id), ``NAME.json`` (the start, noted once for the model card), ``NAME.log`` (all output).
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.train_weights.log import read_logs
from ssiu_arch.utils import option_yaml
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import file_hash, read_json, sha256, write_file, write_json
from ssiu_arch.weights.shipped import weights_file

EXPERIMENTS = Path("experiments")
PROGRAM = "ssiu_arch.cli.main"
SCRATCH = "scratch"
READY = ("Start training from", "Resuming training from")
PATIENCE = 120.0  # seconds after which a start that neither failed nor began is left alone
ENDED = "not running"


def read_options(path: Path) -> dict[str, Any]:
    """Return the options in a file; ``UserError`` if it cannot be read or trains something else than SSIU."""
    options = option_yaml.load(path)
    try:
        kind = options["network_g"]["type"] if "train" in options else "none to train"
    except (KeyError, TypeError) as error:
        raise UserError(f"-opt {path}: is no option file for training ({error})") from None
    if kind != "SSIU":
        raise UserError(f"-opt {path}: network_g.type must be SSIU, is {kind}")
    return options


def look_up(name: str) -> tuple[str, int]:
    """Return the state of a training (``ENDED``, ``running``, ``paused`` or ``on HOST``) and its process id.

    After the end of a training its process id may be given to another program. So the command line counts, too.
    """
    try:
        host, pid = (EXPERIMENTS / f"{name}.pid").read_text().split()
        if host != socket.gethostname():
            return f"on {host}", int(pid)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")  # empty for a zombie
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return ENDED, 0
    if PROGRAM.encode() not in command:
        return ENDED, 0
    return "paused" if letter == "T" else "running", int(pid)


def start(options: dict[str, Any], file: Path, origin: str | None, folder: Path, command: str) -> str:
    """Start a training, or resume it from its newest state; wait until iterations begin; return one line.

    Raises:
        UserError: it runs already, the weights cannot be used, or the training failed at once.
    """
    name, changes = options["name"], []
    state, pid = look_up(name)
    if state != ENDED:
        remedy = f"if it has ended there, remove {EXPERIMENTS / name}.pid" if state.startswith("on ") else "see status"
        raise UserError(f"{name}: is {state} already (process {pid}); {remedy}")
    if not any((EXPERIMENTS / name / "training_states").glob("*.state")):
        note, changes = first_weights(options, origin, folder)
        write_json(EXPERIMENTS / f"{name}.json", {**note, "command": command})
    words = ["nice", "-n", "19", sys.executable, "-m", PROGRAM, "train", "-opt", str(file), "--auto_resume", *changes]
    log = EXPERIMENTS / f"{name}.log"
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    write_file(EXPERIMENTS / f"{name}.pid", f"{socket.gethostname()} {process.pid}\n".encode())
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        code = process.poll()  # before reading, so that the last words of an ended process are in the file
        said = log.read_bytes()[begin:].decode(errors="replace")
        if any(word in said for word in READY):
            break
        if code is not None:
            raise UserError(f"basicsr train ended with exit code {code}: {said.strip().rpartition(chr(10))[2]} ({log})")
        time.sleep(0.2)
    return f"{name}: runs as process {process.pid}; output in {log}"


def first_weights(options: dict[str, Any], origin: str | None, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return a note on the start of a training, and the words that tell ``basicsr train`` of it.

    ``origin`` is a file or ``SCRATCH``; None stands for the file in the options, else the shipped one in ``folder``.
    The note has ``start`` (name and hash of a file) and ``earlier`` (runs in the shipped record behind that file).
    """
    from ssiu_arch.weights.ssiu import find_ssiu

    if origin == SCRATCH:
        return {"start": "from scratch", "earlier": 0}, ["--force_yml", "path:pretrain_network_g=none"]
    named = (options.get("path") or {}).get("pretrain_network_g")
    shipped = weights_file(folder, options["scale"])
    file = Path(origin or named or shipped)
    found = find_ssiu(file)
    record = read_json(shipped.with_suffix(".json")) or {}
    earlier = len(record["runs"]) if record.get("sha256") == sha256(file) else 0
    note = {"start": f"{file.name}, sha256 {file_hash(file)}", "earlier": earlier}
    if named and not origin:
        return note, []
    strict = found.options["upscale"] == options["scale"]  # another scale's tail has other shapes and starts anew
    changes = {"pretrain_network_g": file.absolute(), "param_key_g": found.key or "none", "strict_load_g": strict}
    return note, ["--force_yml", *(f"path:{key}={value}" for key, value in changes.items())]


def pause(name: str, stop: bool) -> str:
    """Suspend the process group of a training (``stop``: SIGSTOP), or let it continue (SIGCONT); return one line."""
    state, pid = look_up(name)
    if state not in ("running", "paused"):
        raise UserError(f"{name}: is {state}; use start")
    os.killpg(pid, signal.SIGSTOP if stop else signal.SIGCONT)
    return f"{name}: {'paused' if stop else 'running'} (process {pid})"


def status(options: dict[str, Any]) -> str:
    """Return one line: state, iteration, iterations/s and last validation of a training."""
    state, pid = look_up(options["name"])
    facts = [f"{state} (process {pid})" if pid else state]
    if rows := read_logs(EXPERIMENTS / options["name"]):
        facts += [f"iteration {rows[-1].iteration:,} of {options['train']['total_iter']:,}"]
        facts += [f"{1 / statistics.median(max(row.seconds, 1e-3) for row in rows[-9:]):.3g} it/s"]  # beyond a pause
    facts += [f"validation {row.psnr} dB at {row.iteration:,}" for row in rows if row.psnr is not None][-1:]
    return f"{options['name']}: {', '.join(facts)}"
