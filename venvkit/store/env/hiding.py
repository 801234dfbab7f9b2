"""Start-up code that makes host distributions look as if they were not installed.

A host distribution that the plan would break, and that neither the model nor the runtime needs, is hidden: libraries
test whether a package is there, and one that is there and broken kills them. The code is part of the start-up hook of
an environment that hides something, and of no other.
"""

from __future__ import annotations

from collections.abc import Iterable

# `sys.modules[name] = None` makes `import` raise ModuleNotFoundError and `importlib.util.find_spec` return None
# (https://docs.python.org/3/reference/import.html#the-module-cache). Distributions are found by `PathFinder`, without
# importing importlib.metadata at the start; what lists modules or finds distributions by itself is changed when it is
# imported.
_TEMPLATE = '''

HIDDEN_MODULES = {modules}
HIDDEN_DISTRIBUTIONS = {distributions}


def hide():
    """Hide modules and distributions of the host from this process."""
    for name in HIDDEN_MODULES:
        sys.modules.setdefault(name, None)
    from importlib.machinery import PathFinder

    filter_distributions(PathFinder)
    sys.meta_path.insert(0, Late)


def filter_distributions(finder):
    """Leave hidden distributions out of those that `finder` finds."""
    every = finder.find_distributions

    def find_distributions(*args, **options):
        for found in every(*args, **options):
            name = getattr(found, "_normalized_name", None) or found.metadata["Name"] or ""
            if name.lower().replace("-", "_").replace(".", "_") not in HIDDEN_DISTRIBUTIONS:
                yield found

    finder.find_distributions = staticmethod(find_distributions)


class Late:
    """Changes modules that list modules or distributions by themselves, when they are imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in ("pkgutil", "importlib_metadata"):
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            if name == "pkgutil":
                filter_modules(module)
            else:
                filter_distributions(module.MetadataPathFinder)

        spec.loader.exec_module = exec_module
        return spec


def filter_modules(pkgutil):
    """Leave hidden modules out of those that `pkgutil.iter_modules` lists."""
    every = pkgutil.iter_modules

    def iter_modules(path=None, prefix=""):
        for found in every(path, prefix):
            if path is not None or found.name not in HIDDEN_MODULES:
                yield found

    pkgutil.iter_modules = iter_modules


hide()
'''


def hiding_source(modules: Iterable[str], distributions: Iterable[str]) -> str:
    """Return the code that hides modules and distributions; empty where there is nothing to hide.

    Args:
        modules: Top-level names that only hidden distributions have.
        distributions: Names of distributions, in any spelling.
    """
    hidden = {name.lower().replace("-", "_").replace(".", "_") for name in distributions}
    if not hidden:
        return ""
    return _TEMPLATE.format(modules=_set(modules), distributions=_set(hidden))


def _set(names: Iterable[str]) -> str:
    """Return the literal of a set, in one order."""
    return f"frozenset({sorted(set(names))!r})"
