"""Options that BasicSR reads without asking whether they are there."""

from typing import Any

from ssiu_arch.patches import option_parsing
from ssiu_arch.patches.patch import Repair

DEFAULTS: dict[str, dict[str, Any]] = {
    "path": {},
    "logger": {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False},
    "val": {"save_img": False, "suffix": None},
}


def fill(opt: dict[str, Any]) -> None:
    """Complete ``opt`` in place.

    ``val`` of a training is left out where the file has none: it means no validation. A data set that is null is left
    out too, so that ``--force_yml datasets:test_3=none`` does without one.
    """
    if isinstance(opt.get("datasets"), dict):
        for name in [name for name, dataset in opt["datasets"].items() if dataset is None]:
            del opt["datasets"][name]
    for section, defaults in DEFAULTS.items():
        if section == "val" and "train" in opt and opt.get("val") is None:
            continue
        opt[section] = {**defaults, **(opt.get(section) or {})}
    if opt.get("num_gpu") is None:
        opt["num_gpu"] = "auto"


def _apply() -> None:
    option_parsing.when_read.append(fill)
    option_parsing.wrap()


REPAIR = Repair(
    defect="without `logger.use_tb_logger`, `val.suffix`, `val.save_img`, `num_gpu` or `path` a run ends in KeyError",
    upstream="basicsr/utils/logger.py:69, models/sr_model.py:176, train.py:196, utils/options.py:136",
    until="BasicSR reads them with .get()",
    is_needed=lambda: fill not in option_parsing.when_read,
    apply=_apply,
)
