"""The EMA is loaded from the key ``params_ema``, whatever ``param_key_g`` says."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError


@replaces(
    "basicsr.models.base_model:BaseModel.load_network",
    upstream="basicsr/models/sr_model.py:50, models/base_model.py:292",
    reads=("basicsr.models.sr_model:SRModel.init_training_settings",),
    is_needed=lambda load_network, settings: "'params_ema')" in source(settings),
)
def patch(upstream: Function) -> list[Function]:
    """`ema_decay` with weights under another key, or without one, ends in KeyError: 'params_ema'."""

    import torch

    def load_network(
        self: Any, net: torch.nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """BasicSR's ``load_network``; the EMA is read from ``param_key_g`` if the file has no ``params_ema``.

        Raises:
            UserError: the weights do not fit the network. Resuming meets this first here, past all checks.
        """
        named = self.opt["path"].get("param_key_g", "params")
        if param_key == "params_ema" and named != "params_ema":
            held = torch.load(load_path, map_location="meta", weights_only=True)
            if not {"params", "params_ema"} & held.keys():
                param_key = named
        try:
            upstream(self, net, load_path, strict, param_key)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"weights {load_path} do not fit the network of the option file: {reason}") from error

    return [load_network]
