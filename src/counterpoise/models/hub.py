"""One quiet question to the Hugging Face hub before anything is loaded: left to itself its client asks ten times, for a minute."""

from __future__ import annotations

import difflib
from pathlib import Path

from counterpoise.errors import ModelError, error_line

__all__ = ["ask_hub", "in_hub_cache", "near_directory", "not_on_hub"]

_SECONDS = 10.0
_NEAR = 0.6


def ask_hub(name: str, revision: str | None = None) -> bool:
    """Whether the hub answers for this id at this revision; False where it does not and the model was downloaded before.

    Raises:
        ModelError: the hub has no such model or revision, or cannot be reached and nothing was downloaded.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().model_info(name, revision=revision, timeout=_SECONDS)
    except RevisionNotFoundError as error:
        raise ModelError(
            f"the hub has no revision '{revision}' of '{name}'; model.revision is a branch, a tag or a commit of it"
        ) from error
    except RepositoryNotFoundError as error:
        if in_hub_cache(name, revision):  # private, and today without its token
            return False
        raise not_on_hub(name, error) from error
    except HfHubHTTPError:
        return True  # it is there, and whoever loads it says what is wrong
    except Exception as error:  # of the HTTP client's dozens of kinds, or offline mode
        if in_hub_cache(name, revision):
            return False
        raise not_on_hub(name, error) from error
    return True


def in_hub_cache(name: str, revision: str | None = None) -> bool:
    """Whether the model of this id was downloaded before, as far as its configuration tells."""
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    except ValueError:  # no id at all
        return False


def not_on_hub(name: str, error: Exception, *, part: str = "the model") -> ModelError:
    """The complaint about a name that is neither a directory nor to be had from the hub."""
    detail = error_line(error)
    return ModelError(
        f"cannot load {part} of '{name}': there is no such directory here, and the Hugging Face hub could not provide it "
        f"({detail}); check the spelling and the network, or download it elsewhere and give its directory"
    )


def near_directory(name: str) -> Path | None:
    """The model directory here whose path is most like `name`, part by part; None where none is."""
    places = [Path()]
    for part in Path(name).parts:
        places = [place / near for place in places for near in _near(part, place)]
    return next((place for place in places if (place / "config.json").is_file()), None)


def _near(part: str, place: Path) -> list[str]:
    try:
        there = sorted(entry.name for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return []
    return difflib.get_close_matches(part, there, n=3, cutoff=_NEAR)
