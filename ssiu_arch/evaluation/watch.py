"""The one place where a run's validations are followed. BasicSR's own validator runs, and is not changed.

For as long as ``watched`` lasts, two names that BasicSR's modules look up lead here:

- ``build_model``, in the module of the pipeline, so that the model's ``validation`` reports each set;
- ``calculate_metric``, wherever it was imported, so that scores are noted by image. In ``SRModel``'s validator, which
  only adds them up and divides, they are computed by ``val.metric_workers`` threads meanwhile; elsewhere at once.

Outside a validation both do what they always did. Options read here, all below ``val``: ``metric_workers``, ``bicubic``
and, of a metric, ``float_output``.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import basicsr.metrics
from basicsr.models import sr_model
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from ssiu_arch.evaluation.baseline import bicubic_images, is_enlargeable, log_bicubic
from ssiu_arch.evaluation.grey import grey_score
from ssiu_arch.evaluation.provenance import data_fingerprint
from ssiu_arch.evaluation.record import Score, SetScores, grey_effect
from ssiu_arch.evaluation.workers import Pending, Workers, default_workers
from ssiu_arch.utils.errors import UserError

Options = dict[str, Any]
Metric = Callable[[dict[str, Any], Options], Any]  # as BasicSR's ``calculate_metric``


class Watch:
    """What a run measured.

    Attributes:
        opt: the options as the model has them; None before there is one.
        sets: the scores of a test, a set after the other; stays empty in a training.
    """

    def __init__(self, is_test: bool, calculate_metric: Metric) -> None:
        self.opt: Options | None = None
        self.sets: list[SetScores] = []
        self._is_test = is_test
        self._calculate = calculate_metric
        self._seen: set[str] = set()  # sets whose greyscale images have been reported
        self._open: _Pass | None = None  # the validation that is running

    def attach(self, model: Any) -> Any:
        """Have ``model``, which BasicSR built, report its validations; returns it."""
        self.opt = model.opt
        validate = model.validation

        def validation(dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool = False) -> None:
            """The model's ``validation``, watched."""
            if not model.opt["val"].get("metrics") or model.opt.get("rank", 0) != 0:
                return validate(dataloader, current_iter, tb_logger, save_img)
            record = self._validation(
                model, dataloader, lambda loader: validate(loader, current_iter, tb_logger, save_img)
            )
            if self._is_test and record.means:
                record.fingerprint = data_fingerprint(dataloader.dataset)
                self.sets.append(record)

        model.validation = validation
        return model

    def at_once(self, data: dict[str, Any], options: Options) -> Any:
        """``calculate_metric``, for validators of which nothing is known: the score is noted on the way."""
        found = self._open.submit(data, options) if self._open else None
        return self._calculate(data, options) if found is None else found.result().value

    def deferred(self, data: dict[str, Any], options: Options) -> Any:
        """``calculate_metric``, for ``SRModel``'s validator: a ``Pending`` score, or a number without workers."""
        found = self._open.submit(data, options) if self._open and self._open.workers.count else None
        return self.at_once(data, options) if found is None else Pending(0, lambda: found.result().value)

    def _validation(self, model: Any, dataloader: Any, validate: Callable[[Any], None]) -> SetScores:
        opt, name = model.opt["val"], dataloader.dataset.opt["name"]
        record = SetScores(name)
        with ExitStack() as stack:
            count = opt.get("metric_workers")
            workers = stack.enter_context(Workers(default_workers() if count is None else count))
            self._open = _Pass(record, opt["metrics"], workers, self._calculate)
            if name not in self._seen:  # greyscale images are looked for once
                self._seen.add(name)
                self._open.gt_root = str(dataloader.dataset.opt.get("dataroot_gt"))
            stack.callback(setattr, self, "_open", None)
            if opt.get("bicubic", self._is_test):
                self._open.measure_bicubic(dataloader, model.__dict__.setdefault("bicubic_scores", {}))
            if any(metric.get("float_output") for metric in opt["metrics"].values()):
                stack.enter_context(self._open.keeping_float_outputs(model))
            validate(_WatchedLoader(dataloader, self._open.begin_image))
            self._open.finish(model)
        note = grey_effect(record)
        if note and not self._is_test:  # a test's summary has it
            get_root_logger().info(f"Greyscale: {note}")
        return record


class _Pass:
    """One validation of one set while it runs."""

    def __init__(
        self,
        record: SetScores,
        metrics: dict[str, Options],
        workers: Workers,
        calculate: Metric,
    ) -> None:
        self.record, self.metrics, self.workers = record, metrics, workers
        self.gt_root: str | None = None  # where GT is, if greyscale images are to be looked for
        self._calculate = calculate
        self._path = ""  # of the current image
        self._futures: dict[str, list[Future[Score]]] = {name: [] for name in metrics}
        self._output: Any = None  # of the network, as it is, where ``float_output`` asks for it
        self._unmeasured: set[str] = set()

    def begin_image(self, data: dict[str, Any]) -> None:
        """Note the name of the image that the validator is given next."""
        self._output, self._path = None, _path(data)
        self.record.images.append(Path(self._path).stem)

    def submit(self, data: dict[str, Any], options: Options) -> "Future[Score] | None":
        """Have a metric of the current image computed; None if it is none of ``val.metrics``."""
        name = next((name for name, known in self.metrics.items() if known is options), None)
        if name is None:
            return None
        if "img2" not in data and _needs_gt(options):
            self._unmeasured.add(name)
            future: Future[Score] = Future()
            future.set_result(Score(float("nan")))
            return future
        images = {**data, "img": self._float_output(name)} if options.get("float_output") else dict(data)
        future = self.workers.submit(self._measure, name, self._path, images)
        self._futures[name].append(future)
        return future

    def _measure(self, name: str, path: str, images: dict[str, Any], who: str = "") -> Score:
        options = self.metrics[name]
        try:
            value = self._calculate(images, options)
            may_be_grey = self.gt_root is not None and "img2" in images
            grey = grey_score(images, options, path, self.gt_root) if may_be_grey else None
        except Exception as error:
            if not self.workers.count:
                raise
            reason = " ".join(str(error).split())
            raise UserError(
                f"val.metrics.{name} ({options['type']}) failed on {who}{Path(path).stem} of {self.record.name}: "
                f"{type(error).__name__}: {reason}; val.metric_workers=0 shows where"
            ) from error
        return Score(value, grey)

    def finish(self, model: Any) -> None:
        """Put what was measured into the record."""
        for name, futures in self._futures.items():
            if len(futures) == len(self.record.images):
                self.record.scores[name] = [future.result() for future in futures]
        results = getattr(model, "metric_results", None)
        for name in self.metrics:
            value = results.get(name) if isinstance(results, dict) else None
            if isinstance(value, (int, float)) and name not in self._unmeasured:
                self.record.means[name] = float(value)
        if self._unmeasured:
            without = f"{self.record.name} has no GT: {', '.join(sorted(self._unmeasured))} not measured"
            get_root_logger().info(without)

    def measure_bicubic(self, loader: Any, measured: dict[str, dict[str, float]]) -> None:
        """Score bicubic interpolation, unless ``measured``, the model's scores of it by set, has it."""
        name = self.record.name
        if name in measured:
            return
        futures: list[Future[dict[str, Score]]] = []
        for pair in loader:
            if not is_enlargeable(pair):
                if "gt" in pair:
                    reason = "not measured, GT is not a whole number of times as large as LQ"
                    get_root_logger().info(f"Bicubic interpolation on {name}: {reason}")
                futures = []
                break
            futures.append(self.workers.submit(self._bicubic_scores, pair))
        scores = [future.result() for future in futures]
        if scores:
            self.record.bicubic = {metric: [of_image[metric] for of_image in scores] for metric in self.metrics}
        measured[name] = self.record.bicubic_means()
        if scores:
            log_bicubic(name, measured[name])

    def _bicubic_scores(self, pair: dict[str, Any]) -> dict[str, Score]:
        as_float = {name: bool(options.get("float_output")) for name, options in self.metrics.items()}
        made = {kind: bicubic_images(pair, kind) for kind in set(as_float.values())}
        who = "bicubic interpolation of "
        return {name: self._measure(name, _path(pair), made[kind], who) for name, kind in as_float.items()}

    @contextmanager
    def keeping_float_outputs(self, model: Any) -> Iterator[None]:
        """Keep each output of ``model`` before BasicSR clamps it, in place, and rounds it to 8 bit."""
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
            raise UserError(f"val.metrics.{name}.float_output: this model does not give its output to be kept")
        return self._output


class _WatchedLoader:
    """A validation loader that tells of each item before it gives it."""

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
    """File or LMDB key of what a loader gave: GT's, or LQ's where there is no GT."""
    path = data.get("gt_path") or data.get("lq_path") or [""]
    return path if isinstance(path, str) else path[0]


def _needs_gt(options: Options) -> bool:
    gt = inspect.signature(METRIC_REGISTRY.get(options["type"])).parameters.get("img2")
    return gt is not None and gt.default is gt.empty


@contextmanager
def watched(pipeline: ModuleType, is_test: bool) -> Iterator[Watch]:
    """Watch the validations of the models that ``pipeline`` (``basicsr.train`` or ``basicsr.test``) builds."""
    build_model, calculate_metric = pipeline.build_model, basicsr.metrics.calculate_metric
    watch = Watch(is_test, calculate_metric)
    holders = [
        module
        for module in list(sys.modules.values())
        if getattr(module, "__dict__", {}).get("calculate_metric") is calculate_metric
    ]
    pipeline.build_model = lambda opt: watch.attach(build_model(opt))  # type: ignore[attr-defined]
    for module in holders:
        vars(module)["calculate_metric"] = watch.deferred if module is sr_model else watch.at_once
    try:
        yield watch
    finally:
        pipeline.build_model = build_model  # type: ignore[attr-defined]
        for module in holders:
            vars(module)["calculate_metric"] = calculate_metric
