"""Peak memory of one forward pass, in a process of its own that has done nothing else.

Counted is what the forward adds: feature maps, the result, what libraries need for themselves, weights repacked on the
way. Not counted are Python, torch, the network's weights and the input, which are there before.

On the CPU it is the process' resident memory at its highest during the forward above that just before it, after a
forward on a small image has loaded the libraries. On a GPU it is ``max_memory_allocated`` above the level before the
first forward; three forwards come before the one that counts, so that the choice of algorithms is no part of it. A
compiled network is compiled before. With CUDA graphs, whose memory lies apart, the capture counts.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import torch

from ssiu_arch.tools.profile.candidates import Candidate
from ssiu_arch.tools.profile.forms import Prepared, Size, use
from ssiu_arch.tools.profile.resident import Peak, resident_peak
from ssiu_arch.utils.device import check_device
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.memory import is_out_of_memory

SMALL = 16  # pixels of a side of the image that loads the libraries
WARMUP = 3
OUT_OF_MEMORY = "out of memory"


def in_fresh_process(candidate: Candidate, device: str, size: Size, batch: int, threads: int) -> Peak:
    """The peak of a forward of the candidate.

    Raises:
        UserError: it cannot run; running out of memory is a result, not an error.
    """
    request = {"candidate": asdict(candidate), "device": device, "size": size, "batch": batch, "threads": threads}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", __name__, json.dumps(request, default=str)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode < 0:
        return Peak(None, f"{OUT_OF_MEMORY}, or ended by signal {-done.returncode} for another reason")
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"{candidate.name}: the process that measures memory failed: {last}") from error
    if "error" in answer:
        raise UserError(f"{candidate.name}: {answer['error']}")
    return Peak(**answer)


def measure(candidate: Candidate, device: torch.device, size: Size, batch: int) -> Peak:
    """The peak of a forward, in this process."""
    use(device)
    prepared = Prepared(candidate, device)
    x = prepared.input(size, batch)
    with prepared.settings():
        if device.type == "cuda":
            return device_peak(lambda: prepared(x), device, is_captured="graphs" in candidate.modes)
        if "compile" in candidate.modes:
            prepared(x)
        else:
            with suppress(Exception):  # a size that this network does not take: then without
                prepared(prepared.input((min(size[0], SMALL), min(size[1], SMALL)), 1))
        return resident_peak(lambda: prepared(x))


def device_peak(work: Callable[[], object], device: torch.device, is_captured: bool) -> Peak:
    """The highest allocated memory of a GPU during ``work`` above that before its first run.

    The runs before the one that counts leave their peak out, but for ``is_captured``: what they allocate while they
    capture CUDA graphs is what the graphs live in.
    """
    gc.collect()
    torch.cuda.empty_cache()
    level = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(WARMUP):
        work()
    torch.cuda.synchronize(device)
    if not is_captured:
        torch.cuda.reset_peak_memory_stats(device)
    result = work()
    torch.cuda.synchronize(device)
    del result
    return Peak(torch.cuda.max_memory_allocated(device) - level)


def main() -> None:
    """Answer one request, JSON in the first argument, by one line of JSON: a ``Peak``, or an error."""
    request = json.loads(sys.argv[1])
    from ssiu_arch.plugins import load_plugins

    load_plugins()
    torch.set_num_threads(request["threads"])
    try:
        candidate = Candidate(**{**request["candidate"], "modes": tuple(request["candidate"]["modes"])})
        answer = asdict(measure(candidate, check_device(request["device"]), tuple(request["size"]), request["batch"]))
    except UserError as error:
        answer = {"error": str(error).removeprefix(f"{candidate.name}: ")}
    except Exception as error:  # whatever a network or a compiler raises
        reason = " ".join(str(error).split()) or type(error).__name__
        answer = asdict(Peak(None, OUT_OF_MEMORY)) if is_out_of_memory(error) else {"error": reason}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
