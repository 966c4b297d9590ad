"""Finds the file and line of classes and failures, for messages."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast


class Location(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def short(self) -> str:
        """Return it as results show it: `odd.py:14`."""
        name = os.path.basename(self.file).encode(errors="backslashreplace").decode()  # a file name need not be UTF-8
        return f"{name}:{self.line}"


def of_class(badge: type, attribute: str | None = None) -> Location | None:
    """Return file and line of a class, or of an attribute in its body. None if the class is not in a file."""
    import ast  # here, because `fire` seldom needs it
    import linecache

    file = getattr(sys.modules.get(badge.__module__), "__file__", None)
    if file is None:
        return None
    linecache.checkcache(file)
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None
    wanted = badge.__qualname__.rpartition(".")[2]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == wanted:
            return Location(file, _line_of(node, attribute) or node.lineno)
    return None


def _line_of(definition: ast.ClassDef, attribute: str | None) -> int | None:
    import ast

    for node in definition.body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [node.name]
        else:
            continue
        if attribute in names:
            return node.lineno
    return None


def folder_of(badge: type) -> str | None:
    """Return the directory of the file that defines a class. None if the class is not in a file."""
    file = getattr(sys.modules.get(badge.__module__), "__file__", None)
    return None if file is None else os.path.dirname(file)


def of_failure(traceback: TracebackType | None, folder: str | None) -> Location | None:
    """Return file and line of the innermost frame in a file below `folder`, or of the innermost frame if none is."""
    innermost = None
    innermost_in_folder = None
    while traceback is not None:
        innermost = Location(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        if folder is not None and innermost.file.startswith(folder + os.sep):
            innermost_in_folder = innermost
        traceback = traceback.tb_next
    return innermost_in_folder or innermost
