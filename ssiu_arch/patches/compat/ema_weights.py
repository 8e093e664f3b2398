"""BasicSR's own reading of weights: code in them can run, and the EMA needs the key ``params_ema``."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError


@replaces(
    "basicsr.models.base_model:BaseModel.load_network",
    upstream="basicsr/models/sr_model.py:50, models/base_model.py:290",
    reads=("basicsr.models.sr_model:SRModel.init_training_settings",),
    is_needed=lambda load, settings: "'params_ema')" in source(settings) or "weights_only" not in source(load),
)
def patch(upstream: Function) -> list[Function]:
    """Weights can run code with torch before 2.6; `ema_decay` with weights under another key, or without one, ends in
    KeyError: 'params_ema'.
    """

    import torch
    from basicsr.utils import get_root_logger

    from ssiu_arch.weights.reading import read_checkpoint, read_state_dict

    def load_network(
        self: Any, net: torch.nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
    ) -> None:
        """BasicSR's ``load_network``; the EMA is read from ``param_key_g`` if the file has no ``params_ema``.

        Raises:
            UserError: the file cannot be read, or the weights do not fit the network.
        """
        named = self.opt["path"].get("param_key_g", "params")
        if param_key == "params_ema" != named and not {"params", param_key} & read_checkpoint(load_path).keys():
            param_key = named
        net, weights = self.get_bare_model(net), read_state_dict(load_path, param_key)
        get_root_logger().info(f"Loading {type(net).__name__} from {load_path}, with param key: [{param_key}].")
        self._print_different_keys_loading(net, weights, strict)
        try:
            net.load_state_dict(weights, strict=strict)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"weights {load_path} do not fit the network of the option file: {reason}") from error

    return [load_network]
