"""Records the scores of every image while BasicSR's own validator runs, unchanged.

``watched`` replaces two functions of BasicSR; outside a validation both act as before:

- ``build_model``, in the module of the pipeline: the model's ``validation`` then reports each data set;
- ``calculate_metric``, in every module that imported it: each score is recorded, with the image the model was fed last.

Options read here, all below ``val``: ``bicubic`` and, of a metric, ``float_output``.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import basicsr.metrics
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from ssiu_arch.data.bicubic import bicubic_baseline, failure_named, image_name
from ssiu_arch.evaluation import summary
from ssiu_arch.evaluation.provenance import data_fingerprint, stored_grey
from ssiu_arch.evaluation.summary import SetScores
from ssiu_arch.utils.errors import UserError

Options = dict[str, Any]
Metric = Callable[[dict[str, Any], Options], Any]  # signature of BasicSR's ``calculate_metric``


class Watch:
    """The scores of a run.

    Attributes:
        opt: the options as the model has them; None before a model is built.
        sets: the scores of a test, one entry per data set; empty in a training.
    """

    def __init__(self, is_test: bool, calculate_metric: Metric) -> None:
        self.opt: Options | None = None
        self.sets: list[SetScores] = []
        self._is_test, self._calculate = is_test, calculate_metric
        self._record: SetScores | None = None  # of the running validation
        self._output: Any = None  # of the network, before clamping, for ``float_output``

    def attach(self, model: Any) -> Any:
        """Make ``model`` report its validations; returns it."""
        self.opt = model.opt
        validate = model.validation

        def validation(dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool = False) -> None:
            """The model's ``validation``, recorded."""
            if not model.opt["val"].get("metrics") or model.opt.get("rank", 0) != 0:
                return validate(dataloader, current_iter, tb_logger, save_img)
            with self._recording(model, dataloader):
                validate(dataloader, current_iter, tb_logger, save_img)

        model.validation = validation
        return model

    def calculate_metric(self, data: dict[str, Any], options: Options) -> Any:
        """BasicSR's ``calculate_metric``; during a validation, scores by ``val.metrics`` are recorded."""
        record, metrics = self._record, self.opt["val"]["metrics"] if self.opt else {}
        name = next((name for name, known in metrics.items() if known is options), None)
        if record is None or name is None:
            return self._calculate(data, options)
        if "img2" not in data and _needs_gt(options):
            record.scores.pop(name, None)
            return float("nan")
        if options.get("float_output"):
            if self._output is None:
                raise UserError(
                    f"val.metrics.{name}.float_output: this model has no get_current_visuals with a 'result'; "
                    "leave the option out"
                )
            data = {**data, "img": self._output}
        with failure_named(name, options, f"{''.join(record.images[-1:])} of {record.name}"):
            score = self._calculate(data, options)
        record.scores.get(name, []).append(score)
        return score

    @contextmanager
    def _recording(self, model: Any, dataloader: Any) -> Iterator[None]:
        opt, dataset = model.opt["val"], dataloader.dataset
        if self._is_test:
            opt.setdefault("pbar", sys.stderr.isatty())  # BasicSR's own progress bar
        record = SetScores(dataset.opt["name"], scores={name: [] for name in opt["metrics"]})
        if opt.get("bicubic", self._is_test):
            record.bicubic = bicubic_baseline(model, dataloader)
        self._record = record
        try:
            with self._hooked(model, record):
                yield
        finally:
            self._record = None
        _complete(record, opt["metrics"], getattr(model, "metric_results", None))
        if self._is_test and record.means:
            record.fingerprint, record.grey = data_fingerprint(dataset), stored_grey(dataset)
            self.sets.append(record)
            summary.write_csv(model.opt, self.sets)  # an interrupted test keeps the finished sets

    @contextmanager
    def _hooked(self, model: Any, record: SetScores) -> Iterator[None]:
        """Note the name of each image that ``model`` is fed, and its output if a metric has ``float_output``."""
        feed_data, get_current_visuals = model.feed_data, model.get_current_visuals

        def feed(data: dict[str, Any]) -> None:
            self._output = None
            record.images.append(image_name(data))
            feed_data(data)

        def visuals() -> dict[str, Any]:
            # BasicSR passes this output to tensor2img, which clamps it in place and rounds it to 8 bit, and hands only
            # the result to the metrics. So a copy is kept here, in the form that metrics take: BGR (H, W, 3), float64.
            tensors = get_current_visuals()
            output = tensors["result"].detach().float().cpu()[0]
            self._output = output.double().mul(255).flip(0).permute(1, 2, 0).numpy()
            return tensors

        model.feed_data = feed
        if any(options.get("float_output") for options in model.opt["val"]["metrics"].values()):
            model.get_current_visuals = visuals
        try:
            yield
        finally:
            vars(model).pop("feed_data")
            vars(model).pop("get_current_visuals", None)


def _complete(record: SetScores, metrics: dict[str, Options], results: Any) -> None:
    """Add the means, which are in ``results`` as BasicSR's validator left them; log which metrics need a missing GT."""
    for name in record.scores:
        value = results.get(name) if isinstance(results, dict) else None
        if isinstance(value, (int, float)):
            record.means[name] = float(value)
    if unmeasured := metrics.keys() - record.scores.keys():
        get_root_logger().info(f"{record.name} has no GT: {', '.join(sorted(unmeasured))} not measured")
    record.scores = {name: scores for name, scores in record.scores.items() if len(scores) == len(record.images)}


def _needs_gt(options: Options) -> bool:
    gt = inspect.signature(METRIC_REGISTRY.get(options["type"])).parameters.get("img2")
    return gt is not None and gt.default is gt.empty


@contextmanager
def watched(pipeline: ModuleType, is_test: bool) -> Iterator[Watch]:
    """Record the validations of the models that ``pipeline`` (``basicsr.train`` or ``basicsr.test``) builds."""
    build_model, calculate_metric = pipeline.build_model, basicsr.metrics.calculate_metric
    watch = Watch(is_test, calculate_metric)
    importers = [
        module
        for module in list(sys.modules.values())
        if getattr(module, "__dict__", {}).get("calculate_metric") is calculate_metric
    ]
    pipeline.build_model = lambda opt: watch.attach(build_model(opt))  # type: ignore[attr-defined]
    for module in importers:
        vars(module)["calculate_metric"] = watch.calculate_metric
    try:
        yield watch
    finally:
        pipeline.build_model = build_model  # type: ignore[attr-defined]
        for module in importers:
            vars(module)["calculate_metric"] = calculate_metric
