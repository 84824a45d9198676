"""The hub is asked once; these tests stand in for its client, since no test may depend on a network."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from counterpoise.errors import ModelError
from counterpoise.models import load
from counterpoise.models.hub import ask_hub, near_directory


@pytest.fixture
def hub(monkeypatch):
    """`hub(error, cached)`: how the hub answers, and whether the model was downloaded before; the questions that were asked."""
    asked = []

    def make(error=None, cached=False):
        def model_info(self, name, **options):
            asked.append((name, options["timeout"]))
            if error is not None:
                raise error
            return object()

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        monkeypatch.setattr("counterpoise.models.hub.in_hub_cache", lambda name, revision=None: cached)
        return asked

    return make


def _http(kind, text):
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


def test_a_hub_that_answers_is_asked_once_and_used(hub):
    asked = hub()
    assert ask_hub("org/name") is True
    assert asked == [("org/name", 10.0)]


def test_without_a_network_what_was_downloaded_is_used_as_it_is(hub):
    hub(ConnectionError("Name or service not known"), cached=True)
    assert ask_hub("org/name") is False


@pytest.mark.parametrize(
    "error", [ConnectionError("Name or service not known\nmore"), _http(RepositoryNotFoundError, "404 Client Error")]
)
def test_what_is_nowhere_is_refused_in_a_sentence(hub, error):
    hub(error)
    first = str(error).splitlines()[0]
    with pytest.raises(
        ModelError,
        match=rf"cannot load the model of 'org/name': .* could not provide it \({first}\); check the spelling",
    ):
        ask_hub("org/name")


def test_a_model_that_is_there_and_closed_is_refused_in_the_hub_s_words(hub):
    hub(_http(GatedRepoError, "403 Client Error"))
    # `GatedRepoError` is a kind of `RepositoryNotFoundError`, which the hub also gives for a private one.
    with pytest.raises(ModelError, match="403 Client Error"):
        ask_hub("org/name")


def test_offline_no_file_is_asked_for_again(hub, monkeypatch):
    import transformers

    hub(ConnectionError("no network"), cached=True)
    seen = []

    def from_pretrained(source, **options):
        seen.append(options["local_files_only"])
        raise OSError("stop here")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", from_pretrained)
    with pytest.raises(ModelError, match="cannot load the tokenizer of 'org/name'"):
        load.load_model("org/name")
    assert seen == [True]


def test_a_directory_is_near_part_by_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("models/qwen2", "models/empty", "tiny-llama"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("models/qwen2", "tiny-llama"):
        (tmp_path / name / "config.json").write_text("{}")
    assert near_directory("modles/qwen") == Path("models/qwen2")
    assert near_directory("tinyllama") == Path("tiny-llama")
    assert near_directory("models/emty") is None  # no model in it
    assert near_directory("Qwen/Qwen2.5-Math-7B") is None


def test_a_revision_that_the_hub_does_not_have_is_named(hub):
    hub(_http(RevisionNotFoundError, "404 Client Error"))
    with pytest.raises(
        ModelError, match=r"no revision 'v9' of 'org/name'; model\.revision is a branch, a tag or a commit"
    ):
        ask_hub("org/name", "v9")


def test_the_revision_is_asked_for_and_goes_to_the_loader(hub, monkeypatch):
    import transformers

    hub()
    seen = []

    def tokenizer(name, **options):
        seen.append((name, options["revision"], options["trust_remote_code"]))
        raise OSError("stop")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", tokenizer)
    with pytest.raises(ModelError, match="stop"):
        load.load_model("org/name", revision="abc")
    assert seen == [("org/name", "abc", False)]
