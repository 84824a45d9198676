"""Parts that are not ours: a name of a run file that stands for an object of somebody else's file or package.

A name is looked up in our registry, then among the names that installed packages add (entry points of the group `counterpoise.plugins`,
called `KIND.NAME`), and is otherwise an import path: `my_pkg.rules:Hopeful`, or `./rewards.py:check` for a file beside the run file.
"""

from counterpoise.plugins.adopt import Shape, what_is
from counterpoise.plugins.parts import Parts, is_plugin, known_as, source_of
from counterpoise.plugins.reference import ENVIRONMENT, ImportPath, is_reference, portable
from counterpoise.plugins.source import ForeignPart, SourceCode, import_part, read_source

__all__ = [
    "ENVIRONMENT",
    "ForeignPart",
    "ImportPath",
    "Parts",
    "Shape",
    "SourceCode",
    "import_part",
    "is_plugin",
    "is_reference",
    "known_as",
    "portable",
    "read_source",
    "source_of",
    "what_is",
]
