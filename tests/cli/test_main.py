"""The command line itself."""

import errno
import io
import os
import signal
import subprocess
import sys

import pytest

import ssiu_arch
from ssiu_arch.cli import main as command
from ssiu_arch.cli import train
from ssiu_arch.utils.errors import UserError, printable


def test_no_verb_is_help(capsys):
    assert command.main([]) == 0
    assert "usage: basicsr VERB" in capsys.readouterr().out


def test_unknown_verb(capsys):
    for run, verbs in ((command.main, command.BASICSR.verbs), (command.ssiu, command.SSIU.verbs)):
        assert run(["tain"]) == 2
        said = capsys.readouterr().err
        assert "'tain'" in said
        assert all(verb in said for verb in verbs)


HELP = """
import contextlib, io, sys
from ssiu_arch.cli.main import BASICSR, SSIU, dispatch, main, ssiu
for command in (BASICSR, SSIU):
    for verb in command.verbs:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            try:
                dispatch(command, [verb, "--help"])
            except SystemExit as left:
                assert left.code == 0
        assert f"example: {command.name} {verb}" in " ".join(said.getvalue().split()), (verb, said.getvalue())
main(["--help"]), main(["--version"]), ssiu(["--version"])
print({"torch", "cv2", "numpy", "PIL", "basicsr", "matplotlib"} & set(sys.modules))
"""


def test_help_with_an_example_and_version_come_at_once(python):
    from importlib.metadata import version

    done = python("-c", HELP)
    lines = done.stdout.splitlines()
    assert lines[-1] == "set()", done.stderr
    assert lines[-2] == f"ssiu_arch {ssiu_arch.__version__}"
    assert lines[-3].startswith(f"ssiu_arch {ssiu_arch.__version__}, basicsr {version('basicsr')} (")


@pytest.mark.parametrize("of", [command.BASICSR, command.SSIU], ids=lambda of: of.name)
def test_help_has_a_line_a_verb_without_two_meanings(of):
    lines = of.usage().splitlines()
    assert lines[0] == f"usage: {of.name} VERB [options]"
    for verb, what in of.verbs.items():
        assert sum(line.split() == [verb, *what.split()] for line in lines) == 1
    assert not set(command.BASICSR.verbs) & set(command.SSIU.verbs)


def test_without_basicsr_its_verbs_name_the_remedy(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "basicsr", None)  # its import fails as if it were missing
    for verb in ("train", "test", "check"):
        assert command.main([verb, "-opt", "x.yml"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"basicsr {verb}: ")
        assert said.count("\n") == 1
        assert "basicsr install" in said


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
    assert f"basicsr train: {variable} is not set" in capsys.readouterr().err


def test_a_training_ends_where_there_is_no_sigchld(monkeypatch):
    monkeypatch.delattr(signal, "SIGCHLD")  # as on Windows
    train.end_workers()


@pytest.mark.parametrize("verb", ["train", "test", "check"])
def test_a_missing_option_file_is_a_line(capsys, verb):
    assert command.main([verb]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "-opt" in said
    assert f"basicsr {verb} --help" in said


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (UserError("scale (5) is wrong"), 2, "basicsr train: scale (5) is wrong\n"),
        (KeyboardInterrupt(), 130, "basicsr train: interrupted\n"),
    ],
)
def test_exit_codes(monkeypatch, capsys, raised, code, line):
    def fail(arguments):
        raise raised

    monkeypatch.setattr(train, "run", fail)
    assert command.main(["train", "-opt", "x"]) == code
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("raised", [MemoryError(), ImportError("x.so: failed to map segment from shared object")])
def test_want_of_memory_is_a_line(monkeypatch, capfd, raised):
    from ssiu_arch.cli import profile

    def fail(arguments):
        raise raised

    monkeypatch.setattr(profile, "run", fail)
    assert command.ssiu(["profile"]) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("ssiu profile: ")


class Full(io.StringIO):
    """Stdout on a full disk."""

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_stdout_on_a_full_disk_is_a_line(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(os, "dup2", lambda *files: None)  # of the test's own stdout
    assert command.ssiu(["--version"]) == 1
    assert capfd.readouterr().err == "ssiu --version: stdout cannot be written (No space left on device)\n"


def test_other_errors_of_files_and_imports_are_not_hidden(monkeypatch):
    from ssiu_arch.cli import profile

    for error in (OSError(errno.ENOSPC, "full", "a.png"), ImportError("no such module")):
        monkeypatch.setattr(profile, "run", lambda arguments, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)):
            command.ssiu(["profile"])


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_closed_streams_lead_nowhere(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, name, None)  # as Python starts after >&-
    assert command.ssiu(["none"]) == 2
    assert capsys.readouterr().out == ""  # where print would write for lack of stderr
    assert command.ssiu(["--version"]) == 0


def test_nothing_raw_from_a_name_reaches_the_terminal(monkeypatch, capsys):
    assert printable("a\n\x1b[31m\udce9\u202e é漢.png") == r"a\n\x1b[31m\xe9\u202e é漢.png"
    assert command.ssiu(["\x1b[31m\udce9\n"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
