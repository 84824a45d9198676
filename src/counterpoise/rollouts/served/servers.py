"""Several servers as one: which of them answer, and whether they have the same model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from counterpoise.errors import ModelError, ServerError, UsageError
from counterpoise.rollouts.served.server import Server, listed_names
from counterpoise.text import counted

__all__ = ["check_addresses", "found_servers"]

_ALL_THE_SAME = "all servers of an evaluation must have the same model"


def check_addresses(servers: Sequence[Server]) -> None:
    """Refuse an address that is given twice: it would get twice the requests.

    Raises:
        UsageError: one is, or there is none.
    """
    if not servers:
        raise UsageError("no server is given; give the address of one, e.g. http://127.0.0.1:8000/v1")
    addresses = [server.url.rstrip("/") for server in servers]
    twice = next((url for url in addresses if addresses.count(url) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice; for more requests at a time there is --concurrency")


def found_servers(servers: Sequence[Server], say: Callable[[str], None]) -> tuple[list[Server], dict[str, str]]:
    """Those that answer, each with the name of the model, and what they list: by name what a model was read from.

    Args:
        servers: where; one at least.
        say: gets a line for each that does not answer, where another one does.

    Raises:
        ServerError: nobody answers anywhere.
        ModelError: no name was given and a server lists none or several; or they have different models.
    """
    if len(servers) == 1:
        server, listed = servers[0].found()
        return [server], listed
    with ThreadPoolExecutor(max_workers=min(32, len(servers))) as threads:
        answers = list(threads.map(_answer, servers))
    found = [answer for answer in answers if not isinstance(answer, ServerError)]
    silent = [
        (server, answer) for server, answer in zip(servers, answers, strict=True) if isinstance(answer, ServerError)
    ]
    if not found:
        raise ServerError(f"{silent[0][1]} (of {counted(len(servers), 'server')} none answers)")
    _check_same(found)
    for server, error in silent:
        say(f"{server.url} is left out: {str(error).removeprefix(f'{server.url}: ')}")
    name = found[0][0].model
    told = next((listed for _, listed in found if name in listed), found[0][1])
    return [server for server, _ in found], told


def _answer(server: Server) -> tuple[Server, dict[str, str]] | ServerError:
    try:
        return server.found()
    except ServerError as error:
        return error


def _check_same(found: Sequence[tuple[Server, Mapping[str, str]]]) -> None:
    first = found[0][0]
    for server, _ in found:
        if server.model != first.model:
            raise ModelError(f"{first.url} has '{first.model}' and {server.url} '{server.model}'; {_ALL_THE_SAME}")
    name = first.model
    having = [(server, listed) for server, listed in found if name in listed]
    for server, listed in found:
        if having and listed and name not in listed:
            raise ModelError(
                f"{having[0][0].url} has '{name}' and {server.url} does not: it lists {listed_names(listed)}; {_ALL_THE_SAME}"
            )
    roots = [(server, listed[name]) for server, listed in having if listed[name]]
    for server, root in roots:
        if root != roots[0][1]:
            raise ModelError(
                f"'{name}' was read from {roots[0][1]} at {roots[0][0].url} and from {root} at {server.url}; {_ALL_THE_SAME}: start them "
                "from the same path or hub id"
            )
