"""The moving average is loaded under the key ``params_ema``, whatever ``param_key_g`` says."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours
from ssiu_arch.utils.errors import UserError


def _is_needed() -> bool:
    from basicsr.models.base_model import BaseModel

    return not is_ours(BaseModel.load_network)


def _apply() -> None:
    import torch
    from basicsr.models.base_model import BaseModel

    upstream = BaseModel.load_network

    def load_network(
        self: Any, net: torch.nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """BasicSR's ``load_network``; the moving average takes ``param_key_g`` where there is no ``params_ema``."""
        named = self.opt["path"].get("param_key_g", "params")
        if param_key == "params_ema" and named != "params_ema":
            held = torch.load(load_path, map_location="meta", weights_only=True)
            if not {"params", "params_ema"} & held.keys():
                param_key = named
        try:
            upstream(self, net, load_path, strict, param_key)
        except (
            RuntimeError
        ) as error:  # other names or shapes: before a run the checks have said so, resuming they cannot
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"weights {load_path} do not fit the network of the option file: {reason}") from error

    BaseModel.load_network = load_network


REPAIR = Repair(
    defect="`ema_decay` with weights that stand at the root or under a key of their own ends in KeyError: 'params_ema'",
    upstream="basicsr/models/sr_model.py:50, models/base_model.py:292",
    until="SRModel asks for param_key_g",
    is_needed=_is_needed,
    apply=_apply,
)
