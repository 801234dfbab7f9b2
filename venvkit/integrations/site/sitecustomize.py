"""Found first on PYTHONPATH by the interpreters of a server that `venvkit xinference` starts.

The folder holds nothing else. Whatever `sitecustomize` the interpreter has of its own runs after this one.
"""

import importlib
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - run at every start


def run_next() -> None:
    """Import the `sitecustomize` that this one stands in front of, if there is one."""
    this = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", this)


sys.path[:] = [path for path in sys.path if path != FOLDER]
try:
    from venvkit.integrations import startup
except ModuleNotFoundError:  # another interpreter, which has no venvkit
    pass
else:
    startup.begin()
run_next()
