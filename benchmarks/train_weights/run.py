"""A stint: begun by its first segment, gone on with by the others, shipped by the last."""

import inspect
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.train_weights import plan as plans
from benchmarks.train_weights.card import SCRATCH
from benchmarks.train_weights.data import prepare_training, prepare_validation, read_sources
from benchmarks.train_weights.log import read_logs
from benchmarks.train_weights.plan import Pace, Plan
from benchmarks.train_weights.shipping import Outcome, earlier_stints, ship
from benchmarks.train_weights.training import measure, train
from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.benchmarks import find_sets
from ssiu_arch.data.prepare import say
from ssiu_arch.patches.training.force_yml import override, parse_entry
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import file_hash, write_file
from ssiu_arch.weights.shipped import weights_file
from ssiu_arch.weights.ssiu import read_ssiu

EXPERIMENTS = Path("experiments")
OTHER_START = 4  # the scale whose weights the others start from


@dataclass(frozen=True)
class Request:
    """What a segment is asked for, by the command line; see ``benchmarks/train_weights``."""

    options: Path
    photos: Path
    sources: Path | None  # of the photos, a CSV
    validation: Path
    minutes: float
    segments: int
    benchmarks: Path | None
    folder: Path  # of what is shipped
    scratch: bool
    rate: float | None  # iterations/s; None: measured
    trial: int
    jobs: int
    changes: Sequence[str]
    command: str


def segment(request: Request) -> None:
    """Run the next segment of the stint of an option file, and after the last one ship what it came to.

    Raises:
        UserError: something is wrong with what is asked for, or training failed.
    """
    began = time.monotonic()
    options = read_options(request.options, request.changes)
    sets = benchmark_folders(request.benchmarks, options["scale"])
    run, note = EXPERIMENTS / options["name"], EXPERIMENTS / f"{options['name']}.json"
    plan = Plan.read(note)
    if plan is None:
        if run.exists():
            raise UserError(f"{run}: is there already, of no stint; move it, or name this one by --force_yml name=")
        plan = begin(request, options, began)
    elif plan.finished:
        raise UserError(f"{note}: this stint has ended; move it and {run} away to begin the next")
    plan.begun += 1
    plan.write(note)

    last = plan.begun >= plan.segments
    leave = plans.ENDING if last else plans.LEAVING
    started = time.monotonic()
    try:
        finished = train(note.with_suffix(".yml"), resume=True, seconds=60 * request.minutes - leave - started + began)
    finally:
        plan.seconds += time.monotonic() - started
        plan.write(note)
    if not finished and not last:
        say(f"segment {plan.begun} of {plan.segments} is over; go on with the same command")
        return
    outcome = finish(plan, options, run, request.folder, sets)
    plan.finished = finished
    plan.write(note)
    say(told(outcome, weights_file(request.folder, plan.scale)))
    if not finished:
        say("not all iterations are done: the same command goes on with them")


def read_options(path: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The options of a recipe, with those of ``--force_yml`` in their places.

    Raises:
        UserError: there is no such file, or it is no option file to train an SSIU with.
    """
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"-opt {path}: cannot be read ({' '.join(str(error).split())})") from None
    needed = {"name", "scale", "datasets", "network_g", "train", "val", "logger"}
    if not isinstance(options, dict) or not needed <= options.keys():
        raise UserError(f"-opt {path}: is no option file to train with: it needs {', '.join(sorted(needed))}")
    for change in changes:
        override(options, parse_entry(change))
    if options["network_g"].get("type") != "SSIU":
        raise UserError(f"-opt {path}: network_g.type is {options['network_g'].get('type')}; only SSIU is shipped")
    return options


def benchmark_folders(source: Path | None, scale: int) -> dict[str, tuple[Path, Path]]:
    """HR and LR folders of the benchmark sets below a folder, by name.

    Raises:
        UserError: it holds none, or one without LR images of this scale.
    """
    layouts = list(find_sets(source, [scale])) if source else []
    if source and not layouts:
        raise UserError(f"--benchmarks {source}: holds no benchmark set, such as Set5 and Set14")
    for layout in layouts:
        if scale not in layout.lr:
            raise UserError(f"--benchmarks {layout.folder}: has no LR images for x{scale}")
    return {layout.name: (layout.hr, layout.lr[scale]) for layout in layouts}


def begin(request: Request, options: dict[str, Any], began: float) -> Plan:
    """Prepare the data, measure, predict; write the option file that all segments train by.

    Raises:
        UserError: data or weights cannot be used, or there is no time to train.
    """
    scale, train = options["scale"], options["datasets"]["train"]
    start = start_of(request.folder, options) if not request.scratch else None
    sources = read_sources(request.sources) if request.sources else {}
    data = prepare_training(options, request.photos, request.jobs, sources)
    prepare_validation(options, request.validation)
    pace = Pace(request.rate) if request.rate else trial(options, request.trial)
    own = start is not None and start == weights_file(request.folder, scale)
    earlier = earlier_stints(request.folder, scale) if own else []
    behind = sum(stint["iterations"] for stint in earlier)
    schedule = plans.schedule(pace, request.minutes, request.segments, time.monotonic() - began)
    plan = Plan(
        scale=scale,
        schedule=asdict(schedule),
        pace={**asdict(pace), "measured": request.rate is None},
        rate=plans.FROM_WEIGHTS if start else plans.FROM_SCRATCH,
        start=None if start is None else str(start),
        started_with=SCRATCH if start is None else f"{start.name}, sha256 {file_hash(start)}",
        earlier=len(earlier),
        segments=request.segments,
        expected=plans.guess(scale, behind + schedule.iterations),
        data={**data, "batch": train["batch_size_per_gpu"], "patch": train["gt_size"] // scale},
        command=request.command,
    )
    _write_options(EXPERIMENTS / f"{options['name']}.yml", plans.planned(options, plan, own or start is None))
    say(predicted(plan))
    return plan


def start_of(folder: Path, options: dict[str, Any]) -> Path | None:
    """The shipped weights to start from: of this scale, else of x4; None where there are none.

    Raises:
        UserError: they are those of another network.
    """
    scale = options["scale"]
    found = next((file for s in (scale, OTHER_START) if (file := weights_file(folder, s)).is_file()), None)
    if found is not None:
        _, held = read_ssiu(found)
        given = {name: value.default for name, value in inspect.signature(SSIU).parameters.items()}
        given |= options["network_g"]
        for name in held:
            if name != "upscale" and held[name] != given[name]:
                raise UserError(
                    f"{found}: was made for {name} {held[name]}, network_g has {given[name]}; --scratch starts anew"
                )
    return found


def trial(options: dict[str, Any], iterations: int) -> Pace:
    """Measure the pace of a recipe; what the trial wrote is removed."""
    opt = plans.for_trial(options, iterations)
    run, file = EXPERIMENTS / opt["name"], EXPERIMENTS / f"{opt['name']}.yml"
    shutil.rmtree(run, ignore_errors=True)
    _write_options(file, opt)
    try:
        return measure(file, iterations)
    finally:
        shutil.rmtree(run, ignore_errors=True)
        file.unlink()


def finish(
    plan: Plan, options: dict[str, Any], run: Path, folder: Path, benchmarks: Mapping[str, tuple[Path, Path]]
) -> Outcome:
    """Ship the newest weights of a run, if they are better."""
    val = options["datasets"]["val"]
    validation = val["name"], (Path(val["dataroot_gt"]), Path(val["dataroot_lq"]))
    return ship(plan, *newest_weights(run / "models"), read_logs(run), folder, validation, benchmarks)


def newest_weights(models: Path) -> tuple[Path, int]:
    """The weights of the last iteration that was saved, and its number.

    Raises:
        UserError: there are none.
    """
    saved = {int(path.stem.removeprefix("net_g_")): path for path in models.glob("net_g_[0-9]*.pth")}
    if not saved:
        raise UserError(f"{models}: holds no weights; the training was stopped before its first iteration")
    last = max(saved)
    return saved[last], last


def predicted(plan: Plan) -> str:
    """The prediction, to be kept beside what comes of it."""
    pace, source = plan.pace, "measured in a trial" if plan.pace["measured"] else "as given"
    return (
        f"predicted: {pace['rate']:.3g} iterations/s ({source}), start {pace['start']:.0f} s, validation "
        f"{pace['validation']:.0f} s; {plan.schedule['iterations']:,} iterations in {plan.segments} segments, "
        f"{plan.started_with}, learning rate {plan.rate:g}; Set5 {plan.expected:.2f} dB (a guess by a rule of thumb)"
    )


def told(outcome: Outcome, target: Path) -> str:
    """What became of the weights, in one line."""
    compared = f"{outcome.new:.4f} dB, {outcome.what} {outcome.before:.4f} dB"
    return f"shipped: {compared}; written to {target}" if outcome.better else f"not shipped: {compared}"


def _write_options(path: Path, options: dict[str, Any]) -> None:
    write_file(path, yaml.safe_dump(_plain(options), sort_keys=False).encode())


def _plain(value: Any) -> Any:
    """Dicts and lists as PyYAML writes them; what --force_yml brings are OrderedDicts."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
