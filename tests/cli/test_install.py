"""``basicsr install``, without network: what pip is told, and the shim that lets BasicSR's ``setup.py`` run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssiu_arch.cli import install, which_basicsr
from ssiu_arch.cli import main as command


@pytest.fixture
def pip(monkeypatch):
    """Commands of pip with their PYTHONPATH; ``pip wheel`` writes a file, as the real one does."""
    calls = []

    def run(arguments, env):
        assert arguments[:3] == [sys.executable, "-m", "pip"]
        calls.append((arguments[4:], env.get("PYTHONPATH")))
        if arguments[4] == "wheel":
            Path(arguments[arguments.index("-w") + 1], "basicsr-1.4.2-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(arguments, codes.pop(0) if codes else 0)

    codes = []
    run.codes, run.calls = codes, calls
    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "find_spec", lambda name: name)
    return run


def test_nothing_is_done_where_basicsr_is_importable(pip, capsys):
    assert command.main(["install"]) == 0
    assert pip.calls == []
    assert "basicsr 1.4.2" in capsys.readouterr().out


def test_the_wheel_is_built_in_this_environment_then_installed(pip, monkeypatch):
    monkeypatch.setattr(which_basicsr, "imported", lambda: None)
    monkeypatch.setenv("PYTHONPATH", "mine")
    assert command.main(["install"]) == 0
    (build, path), (installed, unchanged) = pip.calls
    assert build[:3] == ["wheel", "--no-deps", "--no-build-isolation"]
    assert build[-1] == "basicsr==1.4.2"
    assert path.split(os.pathsep)[::2] == [str(install.SHIM), "mine"]
    assert installed[0] == "install"
    assert installed[-1].endswith("basicsr-1.4.2-py3-none-any.whl")
    assert unchanged == "mine"


def test_missing_build_tools_go_into_the_temporary_folder(pip, monkeypatch, tmp_path):
    monkeypatch.setattr(install, "find_spec", lambda name: None)
    install.build_wheel(tmp_path)
    (tools, _), (_, path) = pip.calls
    assert tools == ["install", "--target", str(tmp_path / "tools"), "setuptools", "wheel"]
    assert str(tmp_path / "tools") in path.split(os.pathsep)


def test_a_failure_of_pip_is_one_line_and_exit_code_2(pip, monkeypatch, capsys):
    monkeypatch.setattr(which_basicsr, "imported", lambda: None)
    pip.codes.append(7)
    assert command.main(["install"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "exit code 7" in said


@pytest.fixture
def shim():
    spec = importlib.util.spec_from_file_location("shim", install.SHIM / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.builtins.exec = module.plain_exec


class TestShim:
    def test_names_appear_in_the_callers_locals(self, shim):
        """As BasicSR's ``setup.py`` reads its version."""

        def get_version():
            shim.exec_into_caller(compile("__version__ = '1.4.2'", "version.py", "exec"))
            return locals()["__version__"]

        assert get_version() == "1.4.2"

    def test_namespaces_are_respected(self, shim):
        names = {}
        shim.exec_into_caller("a = 1", names)
        shim.exec_into_caller("b = a", names, names)
        assert (names["a"], names["b"]) == (1, 1)
        assert "a" not in locals()

    def test_a_module_keeps_its_globals(self, shim):
        names = {"run": shim.exec_into_caller}
        shim.plain_exec("run('def f(): return g()\\ndef g(): return 3\\nx = f()')", names)
        assert names["x"] == 3

    def test_only_new_pythons_are_changed(self, shim):
        assert (shim.builtins.exec is shim.plain_exec) == (sys.version_info < (3, 13))
