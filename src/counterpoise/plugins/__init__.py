"""Parts that are not ours: a name of a run file that stands for an object of somebody else's file or package.

A name is looked up in our registry, then among the names that installed packages add (entry points of the group `counterpoise.plugins`,
called `KIND.NAME`), and is otherwise an import path: `my_pkg.rules:Hopeful`, or `./rewards.py:check` for a file beside the run file.
"""

from counterpoise.plugins.adopt import Shape
from counterpoise.plugins.parts import Parts, is_plugin, known_as, source_of
from counterpoise.plugins.reference import ENVIRONMENT, Reference, is_reference, portable
from counterpoise.plugins.source import Loaded, Source, load, read_source

__all__ = [
    "ENVIRONMENT",
    "Loaded",
    "Parts",
    "Reference",
    "Shape",
    "Source",
    "is_plugin",
    "is_reference",
    "known_as",
    "load",
    "portable",
    "read_source",
    "source_of",
]
