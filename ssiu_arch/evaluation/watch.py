"""Records the scores of every image while BasicSR's own validator runs, unchanged.

Inside ``watched`` two names that BasicSR's modules look up lead here; outside a validation both act as before:

- ``build_model``, in the module of the pipeline: the model's ``validation`` then reports each data set;
- ``calculate_metric``, in every module that imported it: each score is recorded with its image.

Options read here, all below ``val``: ``bicubic`` and, of a metric, ``float_output``.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import basicsr.metrics
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from ssiu_arch.data.bicubic import bicubic_images, is_enlargeable, log_bicubic
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
        self._seen: set[str] = set()  # data sets already searched for greyscale images
        self._running: _Validation | None = None

    def attach(self, model: Any) -> Any:
        """Make ``model`` report its validations; returns it."""
        self.opt = model.opt
        validate = model.validation

        def validation(dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool = False) -> None:
            """The model's ``validation``, recorded."""
            if not model.opt["val"].get("metrics") or model.opt.get("rank", 0) != 0:
                return validate(dataloader, current_iter, tb_logger, save_img)
            record = self._record(model, dataloader, lambda loader: validate(loader, current_iter, tb_logger, save_img))
            if self._is_test and record.means:
                record.fingerprint = data_fingerprint(dataloader.dataset)
                self.sets.append(record)

        model.validation = validation
        return model

    def calculate_metric(self, data: dict[str, Any], options: Options) -> Any:
        """BasicSR's ``calculate_metric``; during a validation the score is recorded."""
        return self._running.measure(data, options) if self._running else self._calculate(data, options)

    def _record(self, model: Any, dataloader: Any, validate: Callable[[Any], None]) -> SetScores:
        opt, data_opt = model.opt["val"], dataloader.dataset.opt
        record = SetScores(data_opt["name"])
        is_new = record.name not in self._seen
        self._seen.add(record.name)
        gt_root = str(data_opt.get("dataroot_gt")) if is_new else None
        with ExitStack() as stack:
            self._running = running = _Validation(record, opt["metrics"], self._calculate, gt_root)
            stack.callback(setattr, self, "_running", None)
            if opt.get("bicubic", self._is_test):
                running.measure_bicubic(dataloader, model.__dict__.setdefault("bicubic_scores", {}))
            if any(metric.get("float_output") for metric in opt["metrics"].values()):
                stack.enter_context(running.keeping_float_outputs(model))
            validate(_WatchedLoader(dataloader, running.begin_image))
            running.finish(model)
        note = grey_effect(record)
        if note and not self._is_test:  # the summary of a test contains it
            get_root_logger().info(f"Greyscale: {note}")
        return record


class _Validation:
    """One validation of one data set.

    Args:
        record: filled with the scores.
        metrics: ``val.metrics`` of the option file.
        calculate: BasicSR's ``calculate_metric``.
        gt_root: ``dataroot_gt``; None: do not look for greyscale images.
    """

    def __init__(self, record: SetScores, metrics: dict[str, Options], calculate: Metric, gt_root: str | None) -> None:
        self.record, self.metrics, self.gt_root = record, metrics, gt_root
        self._calculate = calculate
        self._path = ""  # of the current image
        self._scores: dict[str, list[Score]] = {name: [] for name in metrics}
        self._output: Any = None  # of the network, before clamping, for ``float_output``
        self._unmeasured: set[str] = set()

    def begin_image(self, data: dict[str, Any]) -> None:
        """Note the name of the image that the validator gets next."""
        self._output, self._path = None, _path(data)
        self.record.images.append(Path(self._path).stem)

    def measure(self, data: dict[str, Any], options: Options) -> Any:
        """Compute a metric of the current image and record it if it is one of ``val.metrics``."""
        name = next((name for name, known in self.metrics.items() if known is options), None)
        if name is None:
            return self._calculate(data, options)
        if "img2" not in data and _needs_gt(options):
            self._unmeasured.add(name)
            return float("nan")
        images = {**data, "img": self._float_output(name)} if options.get("float_output") else data
        score = self._score(name, images, self._path)
        self._scores[name].append(score)
        return score.value

    def _score(self, name: str, images: dict[str, Any], path: str, who: str = "") -> Score:
        options = self.metrics[name]
        try:
            value = self._calculate(images, options)
            may_be_grey = self.gt_root is not None and "img2" in images
            return Score(value, grey_score(images, options, path, self.gt_root) if may_be_grey else None)
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
        scores: list[dict[str, Score]] = []
        for pair in loader:
            if not is_enlargeable(pair):
                if "gt" in pair:
                    reason = "not measured, the size of GT is not a multiple of that of LQ"
                    get_root_logger().info(f"Bicubic interpolation on {name}: {reason}")
                scores = []
                break
            as_float = {metric: bool(options.get("float_output")) for metric, options in self.metrics.items()}
            made = {kind: bicubic_images(pair, kind) for kind in set(as_float.values())}
            where = (_path(pair), "bicubic interpolation of ")
            scores.append({metric: self._score(metric, made[kind], *where) for metric, kind in as_float.items()})
        if scores:
            self.record.bicubic = {metric: [of_image[metric] for of_image in scores] for metric in self.metrics}
        measured[name] = self.record.bicubic_means()
        if scores:
            log_bicubic(name, measured[name])

    @contextmanager
    def keeping_float_outputs(self, model: Any) -> Iterator[None]:
        """Keep each output of ``model`` as it is before BasicSR clamps it (in place) and rounds it to 8 bit."""
        visuals = model.get_current_visuals

        def get_current_visuals() -> dict[str, Any]:
            """The model's ``get_current_visuals``; ``result`` is kept."""
            tensors = visuals()
            output = tensors["result"].detach().float().cpu()[0]
            self._output = output.double().mul(255).flip(0).permute(1, 2, 0).numpy()  # a copy, BGR (H, W, 3)
            return tensors

        model.get_current_visuals = get_current_visuals
        try:
            yield
        finally:
            del model.get_current_visuals

    def _float_output(self, name: str) -> Any:
        if self._output is None:
            raise UserError(
                f"val.metrics.{name}.float_output: this model has no get_current_visuals with a 'result'; "
                "leave the option out"
            )
        return self._output


class _WatchedLoader:
    """A validation loader that calls ``begin_image`` with each item before it yields the item."""

    def __init__(self, loader: Any, begin_image: Callable[[dict[str, Any]], None]) -> None:
        self._loader, self._begin_image = loader, begin_image

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for data in self._loader:
            self._begin_image(data)
            yield data

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


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
