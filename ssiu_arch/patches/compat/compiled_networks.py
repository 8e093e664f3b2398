"""BasicSR does not unwrap ``torch.compile``: weights are saved as ``_orig_mod.*``, and the EMA finds none of them."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source


@replaces(
    "basicsr.models.base_model:BaseModel.get_bare_model",
    upstream="basicsr/models/base_model.py:125",
    is_needed=lambda unwrap: "_orig_mod" not in source(unwrap),
)
def patch(unwrap: Function) -> list[Function]:
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
