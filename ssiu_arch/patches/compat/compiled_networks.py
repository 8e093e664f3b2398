"""A network that went through ``torch.compile`` is saved under ``_orig_mod.*``, and its moving average is KeyError."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours

PREFIX = "_orig_mod."


def _is_needed() -> bool:
    from basicsr.models.base_model import BaseModel

    return not is_ours(BaseModel.get_bare_model)


def _apply() -> None:
    from basicsr.models.base_model import BaseModel
    from torch import nn

    compare = BaseModel._print_different_keys_loading
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)

    def get_bare_model(self: Any, net: nn.Module) -> nn.Module:
        """The network inside of what distributes or compiles it, in whatever order."""
        while True:
            inner = net.module if isinstance(net, wrappers) else getattr(net, "_orig_mod", None)
            if not isinstance(inner, nn.Module):
                return net
            net = inner

    def _print_different_keys_loading(self: Any, crt_net: nn.Module, load_net: dict, strict: bool = True) -> None:
        """The step before weights are loaded: names of a compiled network become the network's own, in place."""
        for name in [name for name in load_net if name.startswith(PREFIX)]:
            load_net[name.removeprefix(PREFIX)] = load_net.pop(name)
        compare(self, crt_net, load_net, strict)

    BaseModel.get_bare_model = get_bare_model
    BaseModel._print_different_keys_loading = _print_different_keys_loading


REPAIR = Repair(
    defect="a compiled network is saved under other names (`_orig_mod.*`); with `ema_decay` it ends in KeyError",
    upstream="basicsr/models/base_model.py:125",
    until="BasicSR unwraps compiled networks",
    is_needed=_is_needed,
    apply=_apply,
)
