"""GGUF files: real ones of each architecture beside transformers' own loader, and damaged ones."""

import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from counterpoise.build.evaluation import manifest_of
from counterpoise.build.problems import task_and_template
from counterpoise.config import RunConfig
from counterpoise.errors import ConfigError, ModelError, StoreError
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.models.gguf.architecture import ARCHITECTURES
from counterpoise.models.gguf.convert import check_gguf, gguf_directory
from counterpoise.models.gguf.header import QUANTISATIONS, file_sha256
from counterpoise.models.load import check_model, load_model
from counterpoise.models.smollm2 import gguf_path, smollm2_path
from counterpoise.runfile import load_config
from counterpoise.runs.identity import Identity, identity_of, with_file

gguf = pytest.importorskip("gguf")

_spec = importlib.util.spec_from_file_location("gguf_files", Path(__file__).parent / "gguf_files.py")
files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

IDS = torch.tensor([[260, 31, 7, 290, 11, 45, 99, 280, 4, 5, 6, 70, 71, 250, 8, 9]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return files.write_gguf(tmp_path_factory.mktemp("gguf") / "llama.gguf", files.random_model("llama"), "llama")


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


WIDTHS = {"qwen3": 128, "gemma3": 256}
"""transformers' loader passes over the width of heads, so that it is right for its default alone."""


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_those_of_transformers_own_loader(tmp_path, name, kind):
    model = files.random_model(name, width=WIDTHS.get(name, 32))
    path = files.write_gguf(tmp_path / "tiny.gguf", model, name, kind=kind)
    check_model(str(path))
    ours = load_model(path).model
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    torch.testing.assert_close(logits(ours), logits(theirs), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_those_of_the_model_that_was_written(tmp_path, name):
    model = files.random_model(name)
    path = files.write_gguf(tmp_path / "tiny.gguf", model, name)
    torch.testing.assert_close(logits(load_model(path).model), logits(model), rtol=0, atol=2e-5)


def test_the_byte_level_tokenizer_is_the_one_that_was_written(tmp_path):
    path = files.write_gguf(tmp_path / "tiny.gguf", files.random_model("qwen2"), "qwen2")
    loaded, original = load_model(path).tokenizer, files.byte_level()
    for text in (files.TEXT, "日本 e\u0301 123456", "  two  spaces", "don't\r\n\n x"):
        assert loaded.encode(text, add_special_tokens=False) == original.encode(text).ids
        assert loaded.decode(loaded.encode(text)) == original.decode(original.encode(text).ids)
    assert (loaded.eos_token, loaded.pad_token, loaded.eos_token_id, loaded.pad_token_id) == ("<eos>", "<pad>", 0, 1)
    assert loaded.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"


def test_the_sentence_piece_tokenizer_joins_by_scores_and_falls_back_to_bytes(tmp_path):
    path = files.write_gguf(tmp_path / "tiny.gguf", files.random_model("llama"), "llama", pieces=True)
    tokenizer = load_model(path).tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("the sun")) == ["<s>", "▁the", "▁sun"]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("thé", add_special_tokens=False)) == [
        "▁t",
        "h",
        "<0xC3>",
        "<0xA9>",
    ]
    assert tokenizer.decode(tokenizer.encode("the sun é 日"), skip_special_tokens=True) == "the sun é 日"


@pytest.mark.parametrize(("factor", "known"), [(8.0, True), (8.0, False)])
def test_llama_3_1_s_rotary_scaling_is_found_again(tmp_path, factor, known):
    base = files.random_model("llama")
    rope = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192}  # fmt: skip
    config = transformers.LlamaConfig(**{**base.config.to_dict(), "rope_parameters": rope})
    scaled = transformers.LlamaForCausalLM(config).eval()
    scaled.load_state_dict(base.state_dict())
    width = 16
    factors = 10_000.0 ** -(np.arange(0, width, 2) / width) / scaled.model.rotary_emb.inv_freq.numpy()
    factors = (factors if known else factors * np.linspace(1, 2, width // 2)).astype(np.float32)
    path = files.write_gguf(
        tmp_path / "tiny.gguf", base, "llama", before=lambda writer: writer.add_tensor("rope_freqs.weight", factors)
    )
    if not known:
        with pytest.raises(ModelError, match="scales its rotary frequencies in a way of its own"):
            load_model(path)
        return
    assert factors.max() == pytest.approx(factor)  # the slowest pairs of so narrow a head are scaled
    torch.testing.assert_close(logits(load_model(path).model), logits(scaled), rtol=0, atol=2e-5)


def dequantised(tensor):
    """Values by the format's definition: blocks of 32, before each its scale, and in Q4_1 its least value, in half precision."""
    if tensor.tensor_type.name == "Q4_1":  # of the 16 bytes the low halves come first
        blocks = tensor.data.reshape(-1, 20)
        scale, least = (blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32) for at in (0, 2))
        values = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1) * scale + least
    else:
        assert tensor.tensor_type.name == "Q8_0"
        blocks = tensor.data.reshape(-1, 34)
        values = blocks[:, 2:].view(np.int8) * blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return values.reshape([int(size) for size in reversed(tensor.shape)])


@pytest.mark.slow
def test_smollm2_s_file_has_the_perplexity_of_transformers_loader_and_of_the_packaged_model(smollm2_cache):
    path = gguf_path()
    ours = load_model(path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    packaged = load_model(smollm2_path(cache=smollm2_cache))
    text = "The sun rises in the east and sets in the west. Water boils at one hundred degrees Celsius at sea level. 12 + 7 = 19."
    assert ours.tokenizer.encode(text) == packaged.tokenizer.encode(text)
    ids = torch.tensor([ours.tokenizer.encode(text)])
    with torch.no_grad():
        outputs = [model.eval()(ids, labels=ids) for model in (ours.model, theirs, packaged.model)]
    found = [output.loss.exp().item() for output in outputs]
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] == pytest.approx(10.2442, rel=1e-4)  # 34 tokens
    assert found[0] == pytest.approx(found[2], rel=0.03)  # bfloat16 on disk
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, rtol=0, atol=1e-4)
    weights = {key: value.numpy() for key, value in ours.model.state_dict().items()}
    other = theirs.state_dict()
    assert weights.keys() == other.keys() and all(np.array_equal(weights[key], other[key].numpy()) for key in weights)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    # Both loaders dequantise with the same package; these are not permuted, so that the file's blocks tell.
    kinds = set()
    for name, key in [
        ("token_embd.weight", "model.embed_tokens.weight"),
        *((f"blk.{i}.ffn_down.weight", f"model.layers.{i}.mlp.down_proj.weight") for i in (0, 15, 29)),
    ]:
        kinds.add(tensors[name].tensor_type.name)
        assert np.array_equal(dequantised(tensors[name]), weights[key])
    assert kinds == {"Q4_1", "Q8_0"}


def test_the_table_of_quantisations_is_the_package_s():
    for kind, (name, block, size) in QUANTISATIONS.items():
        found = gguf.GGMLQuantizationType(kind)
        assert (found.name, *gguf.GGML_QUANT_SIZES[found]) == (name, block, size)
        shape = (1, size)
        assert gguf.dequantize(np.zeros(shape, dtype=np.uint8), found).shape == (1, block)


def test_a_file_is_converted_once_and_a_changed_one_again(llama, cache, monkeypatch):
    first = gguf_directory(llama)
    assert [path.name for path in cache.iterdir()] == [first.name] == [f"gguf-{file_sha256(llama)[:32]}-v1"]
    monkeypatch.setattr("counterpoise.models.gguf.convert._convert", None)
    assert gguf_directory(llama) == first


def test_the_file_s_hash_is_part_of_the_run(llama, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(llama.read_bytes())
    file = tmp_path / "run.toml"
    file.write_text('[model]\nname = "model.gguf"\n')
    config = load_config(file)
    assert config.model.name == str(path)  # beside the run file
    identity = with_file(identity_of(config), config, where=tmp_path)
    assert identity.file == file_sha256(path)
    kept = tmp_path / "identity.json"
    kept.write_text(identity.to_text())
    assert Identity.read(kept) == identity
    path.write_bytes(llama.read_bytes()[:-1] + b"\7")
    with pytest.raises(ConfigError, match=r"model\.gguf is not the file that the run was begun with \(SHA-256 "):
        with_file(identity, config, where=tmp_path)
    assert with_file(identity_of(RunConfig()), RunConfig(), where=tmp_path).file is None


def test_an_evaluation_of_another_file_of_the_same_name_is_refused_and_of_a_moved_one_is_not(llama, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(llama.read_bytes())

    def manifest(model):
        config = RunConfig().changed(model={"name": str(model)})
        return manifest_of(config, task_and_template(config)[1], 0)

    first = manifest(path)
    assert first.weights == f"gguf sha256 {file_sha256(path)}"
    RolloutStore(tmp_path / "store", first)
    RolloutStore(tmp_path / "store", manifest(path.rename(tmp_path / "moved.gguf")))
    path.write_bytes(llama.read_bytes()[:-1] + b"\7")
    other = manifest(path)
    with pytest.raises(StoreError, match="holds an evaluation of something else: weights is 'gguf sha256 "):
        RolloutStore(tmp_path / "store", other)
    assert manifest("lab").weights is None


# Files that are none.


def said(path):
    with pytest.raises(ModelError) as caught:
        check_model(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_cut_anywhere_is_one_line(llama, tmp_path):
    data, path = llama.read_bytes(), tmp_path / "cut.gguf"
    for keep in (0, 3, 20, 24, 30, 200, 5000, len(data) // 2, len(data) - 64):
        path.write_bytes(data[:keep])
        assert "is not a GGUF file" in said(path) or "is cut short or damaged" in said(path)


def test_a_garbled_header_is_an_error_and_never_a_wait(llama, tmp_path, within):
    data, path = llama.read_bytes(), tmp_path / "garbled.gguf"

    def all_of_them():
        for at in range(4, 400, 3):
            path.write_bytes(data[:at] + b"\xff" * 8 + data[at + 8 :])
            try:
                check_gguf(path)
            except ModelError as error:
                assert "\n" not in str(error)

    within(60, all_of_them)


def test_foreign_files_are_named(llama, tmp_path):
    data, path = llama.read_bytes(), tmp_path / "foreign.gguf"
    path.write_bytes(b"PK\3\4" + data[4:])
    assert "does not begin with the word GGUF" in said(path)
    path.write_bytes(data[:4] + struct.pack("<I", 1) + data[8:])
    assert "is GGUF of version 1, and versions 2 and 3 are read" in said(path)
    path.write_bytes(data[:4] + struct.pack(">I", 3) + data[8:])
    assert "(big-endian)" in said(path)
    path.write_bytes(
        data.replace(
            b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama",
            b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0mamba",
        )
    )
    assert "of architecture 'mamba'; what is read: llama, qwen2, qwen3, gemma3" in said(path)
    assert "there is no GGUF file" in said(tmp_path / "absent.gguf")


def test_a_quantisation_that_is_not_read_names_the_tensor_and_those_that_are(llama, tmp_path):
    data, path = llama.read_bytes(), tmp_path / "iq.gguf"
    name = b"blk.0.attn_q.weight"
    at = data.index(name) + len(name) + 4 + 16  # dimensions, then the type
    path.write_bytes(data[:at] + struct.pack("<I", 16) + data[at + 4 :])
    line = said(path)
    assert "holds blk.0.attn_q.weight in a quantisation that is not read (ggml type 16)" in line
    assert "Q4_K" in line


def test_missing_tensors_and_strange_fields_are_named(tmp_path):
    model = files.random_model("llama")
    path = files.write_gguf(
        tmp_path / "a.gguf",
        model,
        "llama",
        before=lambda w: w.add_tensor("blk.0.extra.weight", np.zeros(4, np.float32)),
    )
    assert "has, beyond the architecture, 1 of the tensors of llama (first: blk.0.extra.weight)" in said(path)
    data = files.write_gguf(tmp_path / "b.gguf", model, "llama").read_bytes()
    (tmp_path / "b.gguf").write_bytes(data.replace(b"blk.1.attn_norm.weight", b"blk.7.attn_norm.weight"))
    assert "lacks 1 of the tensors of llama (first: blk.1.attn_norm.weight)" in said(tmp_path / "b.gguf")
    path = files.write_gguf(
        tmp_path / "c.gguf", model, "llama", before=lambda w: w.add_string("llama.rope.scaling.type", "yarn")
    )
    assert "scales its positions by 'yarn'" in said(path)
    path = files.write_gguf(tmp_path / "d.gguf", model, "llama", before=lambda w: w.add_uint16("split.count", 3))
    assert "is one of 3 parts; join them first" in said(path)
    (tmp_path / "e.gguf").write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0xwen2"))
    assert "its tokenizer cuts text as 'xwen2'" in said(tmp_path / "e.gguf")


def test_a_file_is_checked_before_torch_is_imported(llama):
    script = (
        "import sys\nfrom counterpoise.models.load import check_model\n"
        f"check_model({str(llama)!r})\nprint([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
