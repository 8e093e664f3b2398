"""Records the scores of every image while BasicSR's own validator runs, unchanged.

Inside ``watched`` two names that BasicSR's modules look up lead here; outside a validation both act as before:

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
from ssiu_arch.evaluation.record import SetScores
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
        self._is_test = is_test
        self._calculate = calculate_metric
        self._running: _Validation | None = None

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
        """BasicSR's ``calculate_metric``; during a validation the score is recorded."""
        return self._running.measure(data, options) if self._running else self._calculate(data, options)

    @contextmanager
    def _recording(self, model: Any, dataloader: Any) -> Iterator[None]:
        opt, dataset = model.opt["val"], dataloader.dataset
        if self._is_test:
            opt.setdefault("pbar", sys.stderr.isatty())  # BasicSR's own progress bar
        record = SetScores(dataset.opt["name"])
        if opt.get("bicubic", self._is_test):
            record.bicubic = bicubic_baseline(model, dataloader)
        self._running = _Validation(record, opt["metrics"], self._calculate)
        try:
            with self._running.hooked(model):
                yield
            self._running.finish(model)
        finally:
            self._running = None
        if self._is_test and record.means:
            record.fingerprint, record.grey = data_fingerprint(dataset), stored_grey(dataset)
            self.sets.append(record)
            summary.write_csv(model.opt, self.sets)  # an interrupted test keeps the finished sets


class _Validation:
    """One validation of one data set.

    Args:
        record: filled with the scores.
        metrics: ``val.metrics`` of the option file.
        calculate: BasicSR's ``calculate_metric``.
    """

    def __init__(self, record: SetScores, metrics: dict[str, Options], calculate: Metric) -> None:
        self.record, self.metrics, self._calculate = record, metrics, calculate
        self._output: Any = None  # of the network, before clamping, for ``float_output``
        record.scores = {name: [] for name in metrics}

    def measure(self, data: dict[str, Any], options: Options) -> Any:
        """Compute a metric of the current image and record it if it is one of ``val.metrics``."""
        name = next((name for name, known in self.metrics.items() if known is options), None)
        if name is None:
            return self._calculate(data, options)
        if "img2" not in data and _needs_gt(options):
            self.record.scores.pop(name, None)
            return float("nan")
        if options.get("float_output"):
            if self._output is None:
                raise UserError(
                    f"val.metrics.{name}.float_output: this model has no get_current_visuals with a 'result'; "
                    "leave the option out"
                )
            data = {**data, "img": self._output}
        with failure_named(name, options, f"{(self.record.images or [''])[-1]} of {self.record.name}"):
            score = self._calculate(data, options)
        self.record.scores[name].append(score)
        return score

    def finish(self, model: Any) -> None:
        """Complete the record."""
        record, results = self.record, getattr(model, "metric_results", None)
        for name in record.scores:
            value = results.get(name) if isinstance(results, dict) else None
            if isinstance(value, (int, float)):
                record.means[name] = float(value)
        if unmeasured := self.metrics.keys() - record.scores.keys():
            get_root_logger().info(f"{record.name} has no GT: {', '.join(sorted(unmeasured))} not measured")
        record.scores = {name: scores for name, scores in record.scores.items() if len(scores) == len(record.images)}

    @contextmanager
    def hooked(self, model: Any) -> Iterator[None]:
        """Note the name of each image that ``model`` is fed, and its output if a metric has ``float_output``.

        The output is kept before BasicSR clamps it (in place) and rounds it to 8 bit.
        """
        feed_data, get_current_visuals = model.feed_data, model.get_current_visuals

        def feed(data: dict[str, Any]) -> None:
            self._output = None
            self.record.images.append(image_name(data))
            feed_data(data)

        def visuals() -> dict[str, Any]:
            tensors = get_current_visuals()
            output = tensors["result"].detach().float().cpu()[0]
            self._output = output.double().mul(255).flip(0).permute(1, 2, 0).numpy()  # a copy, BGR (H, W, 3)
            return tensors

        model.feed_data = feed
        if any(options.get("float_output") for options in self.metrics.values()):
            model.get_current_visuals = visuals
        try:
            yield
        finally:
            vars(model).pop("feed_data")
            vars(model).pop("get_current_visuals", None)


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
