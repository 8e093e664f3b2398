"""The device of ``--device``."""

import torch

from ssiu_arch.utils.errors import UserError


def check_device(text: str) -> torch.device:
    """The device that ``cpu``, ``cuda`` or ``cuda:N`` names; ``UserError`` if this machine has none of that name."""
    try:
        device = torch.device(text)
    except RuntimeError as error:
        raise UserError(f"--device {text}: unknown device; use cpu, cuda or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {text}: not supported; use cpu, cuda or cuda:0")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError(f"--device {text}: torch finds no GPU here; use --device cpu")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UserError(f"--device {text}: this machine has {count} GPUs; use cuda:0 to cuda:{count - 1}")
        return torch.device("cuda", device.index or 0)
    return device
