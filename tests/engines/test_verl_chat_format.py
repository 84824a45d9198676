"""What verl saves beside the weights of a launched run words prompts as the model does, and not as launch had verl do it."""

import json

import pytest

from counterpoise.engines.verl.chat_format import give_back
from counterpoise.engines.verl.options import PASS_THROUGH

OWN = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
LARGE = 1000000000000000019884624838656


@pytest.mark.parametrize("own", [OWN, None])
@pytest.mark.parametrize("inside", [False, True])
def test_the_models_own_chat_format_comes_back(tmp_path, own, inside):
    fields = {"model_max_length": LARGE, "tokenizer_class": "X"}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps(fields | ({"chat_template": PASS_THROUGH} if inside else {}))
    )
    template = tmp_path / "chat_template.jinja"
    if not inside:
        template.write_text(PASS_THROUGH)
    assert give_back(tmp_path, own)
    found = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert found == fields | ({"chat_template": own} if inside and own else {})
    assert (template.read_text() if template.exists() else None) == (None if inside else own)


def test_a_chat_format_of_somebodys_own_stays(tmp_path):
    (tmp_path / "chat_template.jinja").write_text(OWN)
    assert not give_back(tmp_path, None)
    assert (tmp_path / "chat_template.jinja").read_text() == OWN
    assert not give_back(tmp_path / "gone", OWN)
