"""``BaseModel``: its optimisers, how it reads weights, and networks compiled by torch."""

from collections.abc import Iterable
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.utils.errors import UserError

OPTIMIZERS = ("Adam", "AdamW", "Adamax", "SGD", "ASGD", "RMSprop", "Rprop")  # those of BasicSR's git repository


@replaces(
    "basicsr.models.base_model:BaseModel.get_optimizer",
    upstream="basicsr/models/base_model.py:107",
    is_needed=lambda get_optimizer: "AdamW" not in get_optimizer,
)
def optimizers(upstream: Function) -> list[Function]:
    """`optim_g.type: AdamW` ends in optimizer AdamW is not supperted yet."""

    import torch

    def get_optimizer(self: Any, optim_type: str, params: Iterable, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        """BasicSR's ``get_optimizer``, for all of ``OPTIMIZERS``."""
        if optim_type in OPTIMIZERS:
            return getattr(torch.optim, optim_type)(params, lr, **kwargs)
        return upstream(self, optim_type, params, lr, **kwargs)

    return [get_optimizer]


@replaces(
    "basicsr.models.base_model:BaseModel.load_network",
    upstream="basicsr/models/sr_model.py:50, models/base_model.py:290",
    reads=("basicsr.models.sr_model:SRModel.init_training_settings",),
    is_needed=lambda load, settings: "'params_ema')" in settings or "weights_only" not in load,
)
def ema_weights(upstream: Function) -> list[Function]:
    """Weights can run code with torch before 2.6; `ema_decay` with weights under another key, or without one, ends in
    KeyError: 'params_ema'.
    """

    import torch
    from basicsr.utils import get_root_logger

    from ssiu_arch.weights.reading import misfit, read_checkpoint, read_state_dict

    def load_network(
        self: Any, net: torch.nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """BasicSR's ``load_network``; the EMA is read from ``param_key_g`` if the file has no ``params_ema``."""
        named = self.opt["path"].get("param_key_g", "params")
        if param_key == "params_ema" != named and not {"params", param_key} & read_checkpoint(load_path).keys():
            param_key = named
        net, weights = self.get_bare_model(net), read_state_dict(load_path, param_key)
        get_root_logger().info(f"Loading {type(net).__name__} from {load_path}, with param key: [{param_key}].")
        self._print_different_keys_loading(net, weights, strict)
        try:
            net.load_state_dict(weights, strict=strict)
        except RuntimeError as error:
            reason = misfit(weights, net.state_dict()) or " ".join(str(error).split())[:300]
            raise UserError(f"weights {load_path} do not fit the network of the option file: {reason}") from error

    return [load_network]


@replaces(
    "basicsr.models.base_model:BaseModel.get_bare_model",
    upstream="basicsr/models/base_model.py:125",
    is_needed=lambda unwrap: "_orig_mod" not in unwrap,
)
def compiled_networks(upstream: Function) -> list[Function]:
    """A compiled network is saved under other names (`_orig_mod.*`); with `ema_decay` it ends in KeyError."""

    from torch import nn

    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)

    def get_bare_model(self: Any, net: nn.Module) -> nn.Module:
        """The network inside its wrappers, distributed or compiled, in any order."""
        while True:
            inner = net.module if isinstance(net, wrappers) else getattr(net, "_orig_mod", None)
            if not isinstance(inner, nn.Module):
                return net
            net = inner

    return [get_bare_model]
