"""The command line itself."""

import os
import subprocess
import sys

import pytest

from ssiu_arch.cli import main as command
from ssiu_arch.utils.errors import UserError


def test_help_names_the_verbs_and_imports_nothing_heavy(python):
    heavy = "[m for m in ('torch', 'basicsr', 'cv2', 'numpy') if m in sys.modules]"
    code = f"import sys; from ssiu_arch.cli.main import main; main(['--help']); print({heavy})"
    lines = python("-c", code).stdout.splitlines()
    assert lines[0].startswith("usage: basicsr VERB")
    assert any(line.strip().startswith("train") for line in lines)
    assert lines[-1] == "[]"


def test_no_verb_is_help(capsys):
    assert command.main([]) == 0
    assert "usage: basicsr VERB" in capsys.readouterr().out


def test_unknown_verb(capsys):
    assert command.main(["tain"]) == 2
    assert capsys.readouterr().err == "basicsr: no verb 'tain': use train, test, check, doctor\n"


VERBS = [(name, verb) for name in (command.BASICSR, command.SSIU) for verb in name.verbs]


@pytest.mark.parametrize(("of", "verb"), VERBS, ids=[f"{name.name}-{verb}" for name, verb in VERBS])
def test_every_verb_has_help_with_an_example(of, verb, capsys):
    with pytest.raises(SystemExit) as left:
        command.dispatch(of, [verb, "--help"])
    assert left.value.code == 0
    assert f"example: {of.name} {verb}" in " ".join(capsys.readouterr().out.split())


def test_the_second_command_has_verbs_of_its_own(capsys):
    assert command.ssiu([]) == 0
    assert capsys.readouterr().out.startswith("usage: ssiu VERB [options]\n\n  upscale  enlarge image files")
    assert command.ssiu(["train"]) == 2
    verbs = "upscale, convert, export, compare, lam, profile"
    assert capsys.readouterr().err == f"ssiu: no verb 'train': use {verbs}\n"


@pytest.mark.parametrize("verb", command.SSIU.verbs)
def test_every_verb_helps_at_once_with_an_example(verb, python):
    script = f"""
import sys
from ssiu_arch.cli.main import ssiu
try:
    ssiu(["{verb}", "--help"])
except SystemExit as left:
    assert left.code == 0
slow = {{"torch", "cv2", "numpy", "PIL", "basicsr", "matplotlib"}} & set(sys.modules)
assert not slow, slow
"""
    ran = python("-c", script)
    assert ran.returncode == 0, ran.stderr
    assert f"example: ssiu {verb} " in ran.stdout.replace("\n", " ")


def test_a_verb_that_is_done_in_part_leaves_with_its_own_code(monkeypatch):
    from ssiu_arch.cli import profile

    monkeypatch.setattr(profile, "run", lambda arguments: 1)
    assert command.ssiu(["profile"]) == 1


SILENT = """
import os, sys
from ssiu_arch.cli import main, profile
profile.run = lambda arguments: {run}
sys.exit(main.ssiu(["profile"]))
"""


@pytest.mark.parametrize("lines", [1, 10**5])  # that stay in the buffer, and that do not
def test_a_reader_that_wants_no_more_ends_a_command_quietly(lines):
    run = SILENT.format(run=f"print('line\\n' * {lines})")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", run], **pipes, env=environment) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


def test_another_pipe_that_breaks_is_an_error(python):
    broken = "[(os.close(read), os.write(write, b'x')) for read, write in [os.pipe()]]"
    ran = python("-c", SILENT.format(run=broken))
    assert ran.returncode == 1
    assert "BrokenPipeError" in ran.stderr


def test_both_commands_are_installed_under_their_names():
    from importlib.metadata import entry_points

    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    if "basicsr" not in scripts:
        pytest.skip("the package is not installed: no basicsr script beside this Python")
    assert scripts["ssiu"] == "ssiu_arch.cli.main:ssiu"
    assert scripts["basicsr"] == "ssiu_arch.cli.main:main"


@pytest.mark.parametrize("verb", ["train", "test"])
def test_runs_have_the_options_of_basicsr(verb, capsys):
    with pytest.raises(SystemExit) as left:
        command.main([verb, "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert f"example: basicsr {verb} -opt options/" in " ".join(out.split())
    for option in ("-opt", "--launcher", "--auto_resume", "--debug", "--force_yml"):
        assert option in out


@pytest.mark.parametrize(("launcher", "variable"), [("pytorch", "RANK"), ("slurm", "SLURM_PROCID")])
def test_a_launcher_that_did_not_start_this(launcher, variable, monkeypatch, capsys):
    monkeypatch.delenv(variable, raising=False)
    assert command.main(["train", "-opt", "x.yml", "--launcher", launcher]) == 2
    assert f"--launcher {launcher}: {variable} is not set" in capsys.readouterr().err


def test_missing_opt_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as left:
        command.main(["train"])
    assert left.value.code == 2
    assert "-opt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (UserError("scale (5) is wrong"), 2, "basicsr train: scale (5) is wrong\n"),
        (KeyboardInterrupt(), 130, "basicsr train: interrupted\n"),
    ],
)
def test_exit_codes(monkeypatch, capsys, raised, code, line):
    from ssiu_arch.cli import train

    def fail(arguments):
        raise raised

    monkeypatch.setattr(train, "run", fail)
    assert command.main(["train", "-opt", "x"]) == code
    assert capsys.readouterr().err == line
