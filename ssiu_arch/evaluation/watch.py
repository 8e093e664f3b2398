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
from pathlib import Path
from types import ModuleType
from typing import Any

import basicsr.metrics
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY
from tqdm import tqdm

from ssiu_arch.data.bicubic import bicubic_images, is_enlargeable, log_bicubic
from ssiu_arch.evaluation import summary
from ssiu_arch.evaluation.grey import grey_score
from ssiu_arch.evaluation.provenance import data_fingerprint
from ssiu_arch.evaluation.record import Score, SetScores, grey_effect
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
        self._logged: set[str] = set()  # data sets whose greyscale images a training has logged
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
        opt, data_opt = model.opt["val"], dataloader.dataset.opt
        if self._is_test:
            opt.setdefault("pbar", sys.stderr.isatty())  # BasicSR's own progress bar
        record = SetScores(data_opt["name"])
        running = _Validation(record, opt["metrics"], self._calculate, data_opt.get("dataroot_gt"))
        self._running = running
        try:
            if opt.get("bicubic", self._is_test):
                running.measure_bicubic(dataloader, model.__dict__.setdefault("bicubic_scores", {}))
            with running.hooked(model):
                yield
        finally:
            self._running = None
        running.finish(model)
        if self._is_test and record.means:
            record.fingerprint = data_fingerprint(dataloader.dataset)
            self.sets.append(record)
            summary.write_csv(model.opt, self.sets)  # an interrupted test keeps the finished sets
        note = grey_effect(record)
        if note and not self._is_test and record.name not in self._logged:  # the summary of a test contains it
            self._logged.add(record.name)
            get_root_logger().info(f"Greyscale: {note}")


class _Validation:
    """One validation of one data set.

    Args:
        record: filled with the scores.
        metrics: ``val.metrics`` of the option file.
        calculate: BasicSR's ``calculate_metric``.
        gt_root: ``dataroot_gt`` of the data set, or None.
    """

    def __init__(self, record: SetScores, metrics: dict[str, Options], calculate: Metric, gt_root: str | None) -> None:
        self.record, self.metrics, self.gt_root = record, metrics, gt_root
        self._calculate = calculate
        self._path = ""  # of the current image
        self._scores: dict[str, list[Score]] = {name: [] for name in metrics}
        self._output: Any = None  # of the network, before clamping, for ``float_output``
        self._unmeasured: set[str] = set()

    def measure(self, data: dict[str, Any], options: Options) -> Any:
        """Compute a metric of the current image and record it if it is one of ``val.metrics``."""
        name = next((name for name, known in self.metrics.items() if known is options), None)
        if name is None:
            return self._calculate(data, options)
        if "img2" not in data and _needs_gt(options):
            self._unmeasured.add(name)
            return float("nan")
        if options.get("float_output"):
            if self._output is None:
                raise UserError(
                    f"val.metrics.{name}.float_output: this model has no get_current_visuals with a 'result'; "
                    "leave the option out"
                )
            data = {**data, "img": self._output}
        score = self._score(name, data, self._path)
        self._scores[name].append(score)
        return score.value

    def _score(self, name: str, images: dict[str, Any], path: str, who: str = "") -> Score:
        options = self.metrics[name]
        try:
            value = self._calculate(images, options)
            return Score(value, grey_score(images, options, path, self.gt_root) if "img2" in images else None)
        except Exception:  # the metric may be the user's own: the traceback stays, the log says on which image
            where = f"{who}{Path(path).stem} of {self.record.name}"
            get_root_logger().error(f"val.metrics.{name} ({options['type']}) failed on {where}")
            raise

    def finish(self, model: Any) -> None:
        """Complete the record."""
        images = len(self.record.images)
        self.record.scores = {name: scores for name, scores in self._scores.items() if len(scores) == images}
        results = getattr(model, "metric_results", None)
        for name in self.metrics:
            value = results.get(name) if isinstance(results, dict) else None
            if isinstance(value, (int, float)) and name not in self._unmeasured:
                self.record.means[name] = float(value)
        if self._unmeasured:
            missing = ", ".join(sorted(self._unmeasured))
            get_root_logger().info(f"{self.record.name} has no GT: {missing} not measured")

    def measure_bicubic(self, loader: Any, measured: dict[str, dict[str, float]]) -> None:
        """Score bicubic interpolation, unless ``measured``, the model's scores of it by data set, has it."""
        name = self.record.name
        if name in measured:
            return
        as_float = {metric: bool(options.get("float_output")) for metric, options in self.metrics.items()}
        scores: dict[str, list[Score]] = {metric: [] for metric in self.metrics}
        measured[name] = {}
        for pair in tqdm(loader, f"Bicubic {name}", unit="image", leave=False, disable=not sys.stderr.isatty()):
            if not is_enlargeable(pair):
                if "gt" in pair:
                    reason = "not measured, the size of GT is not a multiple of that of LQ"
                    get_root_logger().info(f"Bicubic interpolation on {name}: {reason}")
                return
            made = {kind: bicubic_images(pair, kind) for kind in set(as_float.values())}
            for metric, kind in as_float.items():
                scores[metric].append(self._score(metric, made[kind], _path(pair), "bicubic interpolation of "))
        self.record.bicubic = scores
        measured[name] = self.record.bicubic_means()
        log_bicubic(name, measured[name])

    @contextmanager
    def hooked(self, model: Any) -> Iterator[None]:
        """Note the name of each image that ``model`` is fed, and its output if a metric has ``float_output``.

        The output is kept before BasicSR clamps it (in place) and rounds it to 8 bit.
        """
        feed_data, get_current_visuals = model.feed_data, model.get_current_visuals

        def feed(data: dict[str, Any]) -> None:
            self._output, self._path = None, _path(data)
            self.record.images.append(Path(self._path).stem)
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


def _path(data: dict[str, Any]) -> str:
    """File or LMDB key of a loader's item: GT's, or LQ's if there is no GT."""
    path = data.get("gt_path") or data.get("lq_path") or [""]
    return path if isinstance(path, str) else path[0]


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
