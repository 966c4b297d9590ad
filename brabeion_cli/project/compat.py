"""Lets badge modules keep the imports of the original library: `from brabeion.base import Badge`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

ORIGINAL, OURS = "brabeion", "brabeion_cli"


class _SameModule:
    """Loads our module for a name of the original library: the same object, not a copy."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        ours = importlib.import_module(OURS + module.__name__.removeprefix(ORIGINAL))
        if module.__name__ == ORIGINAL:
            # A substitute with an empty path, not our package itself: with our path, the import system would find
            # base.py by its file name, and execute it a second time.
            module.__dict__.update({name: getattr(ours, name) for name in ours.__all__}, __path__=[])
        else:
            sys.modules[module.__name__] = ours


_LOADER: Any = _SameModule()  # not an importlib.abc.Loader: that module would load fifty others


class _OriginalNames:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == ORIGINAL:
            real = PathFinder.find_spec(ORIGINAL)
            # A folder named brabeion is a namespace package, which has no origin. It is not the library.
            if real is not None and real.origin is not None:
                return None
            return ModuleSpec(ORIGINAL, _LOADER, is_package=True)
        if fullname.startswith(ORIGINAL + ".") and not path:
            ours = OURS + fullname.removeprefix(ORIGINAL)
            if PathFinder.find_spec(ours, importlib.import_module(OURS).__path__) is not None:
                return ModuleSpec(fullname, _LOADER)
        return None


_FINDER = _OriginalNames()


def install() -> None:
    """Make `import brabeion` import `brabeion_cli`, unless a real brabeion package is installed."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
