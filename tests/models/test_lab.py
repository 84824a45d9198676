import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from counterpoise.errors import ModelError, UnknownNameError
from counterpoise.models import lab
from counterpoise.models.lab import build_lab_model, lab_path, save_lab_model
from counterpoise.models.lab_tokenizer import ALPHABET, build_lab_tokenizer

TOKENIZER = build_lab_tokenizer()
SMALL = {"hidden_size": 16, "layers": 1, "heads": 2, "mlp_size": 24, "positions": 32}


def test_vocabulary():
    assert TOKENIZER.convert_tokens_to_ids(["<pad>", "<eos>", "<unk>", "0"]) == [0, 1, 2, 3]
    assert len(TOKENIZER) == 3 + len(ALPHABET) == 3 + 10 + 13 + 26 + 2


@given(st.text(alphabet=ALPHABET, max_size=60))
def test_decoding_inverts_encoding(text):
    ids = TOKENIZER.encode(text)
    assert len(ids) == len(text)  # one token per character, none added
    assert TOKENIZER.decode(ids) == text == TOKENIZER.decode(ids, skip_special_tokens=True)


@given(st.lists(st.integers(3, 3 + len(ALPHABET) - 1), max_size=40))
def test_encoding_inverts_decoding(ids):
    assert TOKENIZER.encode(TOKENIZER.decode(ids)) == ids


def test_special_tokens_are_skipped_and_strangers_are_unknown():
    assert TOKENIZER.decode([*TOKENIZER.encode("1+1"), 1, 0, 0], skip_special_tokens=True) == "1+1"
    assert TOKENIZER.encode("A1é") == [2, 4, 2]


def test_default_size():
    model = build_lab_model(0)
    # embeddings 54*128, per block 4*128^2 + 3*128*352 + 2*128, final norm 128; the head is the embedding
    assert sum(p.numel() for p in model.parameters()) == 54 * 128 + 4 * (4 * 128**2 + 3 * 128 * 352 + 256) + 128
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_weights_depend_on_the_seed_alone_and_the_global_state_survives():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = build_lab_model(3, **SMALL).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again, other = build_lab_model(3, **SMALL).state_dict(), build_lab_model(4, **SMALL).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_odd_heads_are_refused():
    with pytest.raises(ModelError, match="hidden_size is 18 with 4 heads, expected a multiple of 8"):
        build_lab_model(0, hidden_size=18)


def test_saving_rounds_to_half_precision_and_loads_as_float32(tmp_path):
    model = build_lab_model(0, **SMALL)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_lab_model(model, TOKENIZER, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(model.state_dict()[name], before[name])
        assert torch.equal(tensor, before[name].half().float())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.decode(tokenizer.encode("3,7,9=30\n3*7 + 9")) == "3,7,9=30\n3*7 + 9"
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, loaded.generation_config.eos_token_id) == (1, 0, 1)


def test_saving_where_a_file_stands_is_a_message(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ModelError, match=r"cannot write the model to .*taken"):
        save_lab_model(build_lab_model(0, **SMALL), TOKENIZER, tmp_path / "taken")


def test_unknown_size_names_the_nearest():
    with pytest.raises(
        UnknownNameError,
        match="unknown lab model 'strng'; did you mean 'strong'\\? Known: graded, paths, strong, weak",
    ):
        lab_path("strng")


def test_missing_weights_say_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "_WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match=r"has no weights in .*make it with: counterpoise pretrain --size weak"):
        lab_path("weak")
