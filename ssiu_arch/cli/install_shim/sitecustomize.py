"""Lets BasicSR 1.4.2's ``setup.py`` run on Python 3.13 and newer; ``basicsr install`` puts it on the path of pip.

That ``setup.py`` runs ``exec(code)`` in a function and then reads ``locals()['__version__']``. Since Python 3.13
(PEP 667) a bare ``exec`` writes to a copy of the local variables, and the name is lost: ``KeyError: '__version__'``.
Here ``exec`` writes the names back to the caller. On older Pythons nothing changes.
"""

import builtins
import sys
from typing import Any

plain_exec = builtins.exec


def exec_into_caller(source: Any, *namespaces: Any, **options: Any) -> None:
    """``exec``; without namespaces, names that the code defines appear in the caller's ``locals()``."""
    caller = sys._getframe(1)
    if namespaces or options:
        return plain_exec(source, *namespaces, **options)
    if caller.f_locals is caller.f_globals:  # a module's, which exec writes to by itself
        return plain_exec(source, caller.f_globals)
    names = dict(caller.f_locals)
    plain_exec(source, caller.f_globals, names)
    caller.f_locals.update(names)


if sys.version_info >= (3, 13):
    builtins.exec = exec_into_caller
