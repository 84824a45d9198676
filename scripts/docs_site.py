"""The documentation site beside docs/: reference pages generated from the code, and pages that live elsewhere in the repository.

`make docs` builds it; mkdocs.yml names this file as its hook. `reference_pages` and `repository_pages` need no mkdocs.
"""

from __future__ import annotations

import inspect
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY_PAGES: Mapping[str, str] = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Pages of the site by the file they are read from."""
_FILES = ("examples", "recipes", "studies", "LICENSE", "NOTICE")
"""What pages link to outside docs/, copied as it is."""
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def cell(text: str) -> str:
    """A text as the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def table(heading: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *([cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _keys(keys: Sequence[Any]) -> str:
    rows = [(f"`{key.name}`", key.takes, f"`{key.default_text}`", key.meaning) for key in keys]
    return table(("key", "takes", "default", "meaning"), rows)


def _doc(part: Any) -> str:
    """A docstring as Markdown: what it raises is a line of its own, and `<` stays a character."""
    text = (inspect.getdoc(part) or "").replace("<", "&lt;")
    text = re.sub(
        r"^(Raises|Returns|Args):\n((?:[ ]+.*\n?)+)",
        lambda m: f"*{m[1]}:* {' '.join(m[2].split())}\n",
        text,
        flags=re.M,
    )
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("&lt;", "<"), text)


def run_file_page() -> str:
    """Every section of the run file with its keys."""
    from counterpoise.config.describe import keys_of, sections

    parts = [
        "# The run file\n\nOn the terminal: `counterpoise config SECTION`; for an editor: `counterpoise config --schema`.\n"
    ]
    for name, section in sections().items():
        parts.append(f"## `[{name}]`\n\n{_doc(section)}\n\n{_keys(keys_of(section))}")
    return "\n".join(parts)


def _registries() -> dict[str, Mapping[str, Any]]:
    from counterpoise.config.schema import PLACES
    from counterpoise.evaluation.estimators.registry import ESTIMATORS

    names = {
        "credit.rule": "rules", "loss": "losses", "loss.denominator": "denominators", "credit.filter": "filters", "task": "tasks",
        "verifier": "verifiers", "reward": "rewards", "credit.controller": "controllers", "credit.emphasis": "emphases",
        "credit.token_weights": "token-weights", "guards": "guards",
    }  # fmt: skip
    found: dict[str, Mapping[str, Any]] = {names[place.kind]: place.parts for place in PLACES if place.kind in names}
    return found | {"estimators": {name: one.function for name, one in ESTIMATORS.items()}}


def parts_page(kind: str) -> str:
    """Every part of a kind: what it is and its settings."""
    import dataclasses

    from counterpoise.config.catalogue import CATALOGUE
    from counterpoise.config.describe import settings_of

    entry, registry = CATALOGUE[kind], _registries().get(kind)
    title = kind.replace("-", " ").capitalize()
    parts = [f"# {title}\n\nNamed in `{entry.key}`; on the terminal: `counterpoise list {kind}`.\n"]
    if registry is None:
        return parts[0] + "\n" + table((kind, "what it is"), [(f"`{one.name}`", one.said) for one in entry.load()])
    for one in entry.load():
        part = registry[one.name]
        parts.append(f"## `{one.name}`\n\n{_doc(part)}\n")
        if inspect.isclass(part) and dataclasses.is_dataclass(part) and (settings := settings_of(part)):
            parts.append(_keys(settings))
    return "\n".join(parts)


def columns_page() -> str:
    """The columns of metrics.jsonl."""
    from counterpoise.columns import COLUMNS

    rows = [(f"`{one.name}`", one.unit, one.meaning, one.better or "") for one in COLUMNS.values()]
    return "# Columns of metrics.jsonl\n\n" + table(("column", "unit", "meaning", "better"), rows)


def commands_page() -> str:
    """Every command: its help, its arguments and its options."""
    import typer.main

    from counterpoise.cli.app import app

    parts = ["# Commands\n\n`counterpoise COMMAND --help` says the same.\n"]

    def add(name: str, command: Any) -> None:
        if hasattr(command, "commands"):
            for inner, one in command.commands.items():
                add(f"{name} {inner}", one)
            return
        said, _, more = inspect.cleandoc(command.help or "").partition("\n\n")
        parts.append(f"## `{name}`\n\n{said}\n" + (f"\n```\n{more}\n```\n" if more else ""))
        rows = [
            (
                f"`{', '.join(one.opts) if one.opts[0].startswith('-') else one.metavar or one.name.upper()}`",
                getattr(one, "help", "") or "",
            )
            for one in command.params
            if one.name != "help" and not getattr(one, "hidden", False)
        ]
        parts.append(table(("argument", "meaning"), rows) if rows else "")

    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        add(f"counterpoise {name}", command)
    return "\n".join(parts)


def reference_pages() -> dict[str, str]:
    """Pages below reference/ by their path, as Markdown."""
    from counterpoise.config.catalogue import CATALOGUE

    pages = {"reference/run-file.md": run_file_page(), "reference/commands.md": commands_page()}
    for kind in CATALOGUE:
        pages[f"reference/{kind}.md"] = columns_page() if kind == "columns" else parts_page(kind)
    return pages


def site_link(page: str, link: str) -> str:
    """Where a link leads in the site that a page of the repository has: pages move, `page` is the repository's path."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    here = next((site for site, path in REPOSITORY_PAGES.items() if path == page), page.removeprefix("docs/"))
    moved = next((site for site, path in REPOSITORY_PAGES.items() if path == target), target.removeprefix("docs/"))
    if (ROOT / target).is_dir():
        moved = f"{moved}/README.md" if (ROOT / target / "README.md").exists() else next(_listed(target))
    return posixpath.relpath(moved, posixpath.dirname(here) or ".")


def _listed(folder: str) -> Iterator[str]:
    return (str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob("*")) if path.is_file())


def relinked(text: str, page: str) -> str:
    """A page of the repository with the links that the site needs."""
    return _LINK.sub(lambda link: f"]({site_link(page, link[1])}{link[2] or ''})", text)


def repository_pages() -> dict[str, str]:
    """README, CONTRIBUTING and CHANGELOG as pages of the site."""
    return {site: relinked((ROOT / path).read_text(encoding="utf-8"), path) for site, path in REPOSITORY_PAGES.items()}


def on_files(files: Any, config: Any) -> Any:
    """mkdocs: add what is generated, and the files that pages link to."""
    from mkdocs.structure.files import File

    for path, text in {**repository_pages(), **reference_pages()}.items():
        files.append(File.generated(config, path, content=text))
    for name in _FILES:
        for found in [name] if (ROOT / name).is_file() else list(_listed(name)):
            if found.endswith(".md"):
                files.append(
                    File.generated(config, found, content=relinked((ROOT / found).read_text(encoding="utf-8"), found))
                )
            elif "__pycache__" not in found:
                files.append(File.generated(config, found, abs_src_path=str(ROOT / found)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs: links of docs/ to files outside it."""
    path = page.file.src_uri
    return markdown if page.file.generated_by else relinked(markdown, f"docs/{path}")
