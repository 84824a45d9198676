"""What is fuzzed: each target reads one text in the caller's process and says what must hold, whatever the text is."""

import re
from collections.abc import Callable

from counterpoise.types import Extraction, VerdictValue
from counterpoise.verifiers.compare.choice import ChoiceVerifier
from counterpoise.verifiers.compare.countdown import CountdownVerifier
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.compare.numeric import NumericVerifier, parse_quantity
from counterpoise.verifiers.compare.qa import QaVerifier
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.guests.programs import MAX_PROGRAM, extract_program
from counterpoise.verifiers.guests.reasoning_gym import plain_arithmetic
from counterpoise.verifiers.text.extraction import (
    DEFAULT_RULES,
    MAX_ANSWER,
    TAGGED_RULES,
    TEXT_RULES,
    extract,
    final_text,
)
from counterpoise.verifiers.text.normalise import balanced, normalise, over_cap
from counterpoise.verifiers.text.short_answers import abstains, answer_tokens, parse_short_gold

CHOICE, COUNTDOWN, MATH, NUMERIC = ChoiceVerifier(), CountdownVerifier(), MathVerifier(), NumericVerifier()
QA, QUANTITY = QaVerifier(), QuantityVerifier()
RULE = re.compile(r"[a-z_]+")


def _legal(found: Extraction, response: str, longest: int) -> None:
    assert RULE.fullmatch(found.basis)
    assert found.answer is None or (0 < len(found.answer) <= longest and found.answer in response)


def short_answers(text: str) -> None:
    """`extract` with the rules of mathematics and of open questions."""
    for rules in (DEFAULT_RULES, TEXT_RULES):
        _legal(extract(text, rules=rules), text, MAX_ANSWER)
    final = final_text(text)
    assert final is None or final in text


def tagged(text: str) -> None:
    """`extract` of answers between tags."""
    _legal(extract(text, rules=TAGGED_RULES, longest=16_384), text, 16_384)


def programs(text: str) -> None:
    """A program out of fences; blocks in lists lose their indent, so that it need not be a part of the response."""
    found = extract_program(text)
    assert RULE.fullmatch(found.basis)
    assert found.answer is None or (found.answer.strip() and len(found.answer) <= MAX_PROGRAM)


def choice(text: str) -> None:
    """One letter or none."""
    found = CHOICE.extract(text)
    assert found.answer is None or re.fullmatch("[A-Z]", found.answer)
    assert found.answer is None or CHOICE.judge("C of 4", found.answer).value is not VerdictValue.UNSCORED


def countdown(text: str) -> None:
    """An expression is right only when it spends the numbers."""
    found = COUNTDOWN.extract(text)
    _legal(found, text, len(text))
    judgement = COUNTDOWN.judge("3,7,9=30", found.answer or "")
    assert judgement.value in (VerdictValue.CORRECT, VerdictValue.WRONG)
    if judgement.value is VerdictValue.CORRECT:
        spent = re.findall(r"[0-9]+", (found.answer or "").split("=")[0])
        assert sorted(map(int, spent)) == [3, 7, 9]


def typography(text: str) -> None:
    """`normalise` leaves nothing that it would take away, and its helpers take what it makes."""
    once = normalise(text)
    assert not re.search(r"[\x00-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", once)
    assert over_cap(once) in (None, "length", "digits", "nesting")
    assert balanced(once) in (True, False)


def numbers(text: str) -> None:
    """A number is the same number in its shortest spelling."""
    read = parse_quantity(normalise(text))
    judgement = NUMERIC.judge("7301", text)
    assert judgement.value in (VerdictValue.CORRECT, VerdictValue.WRONG)
    assert (judgement.value is VerdictValue.CORRECT) == (read is not None and read[0].value == 7301 and not read[1])


def formulas(text: str) -> None:
    """What `math` decides in the caller's process."""
    judgement = MATH.shortcut("x^{3}+7301", text)
    assert judgement is None or judgement.value in (VerdictValue.CORRECT, VerdictValue.WRONG)
    assert judgement is None or judgement.value is VerdictValue.WRONG or "7301" in normalise(text)


def quantities(text: str) -> None:
    """What `quantity` decides in the caller's process, the unit behind a box included."""
    found = QUANTITY.extract(text)
    judgement = QUANTITY.shortcut("7301 kJ", text if found.answer is None else found.answer)
    assert judgement is None or judgement.value in (VerdictValue.CORRECT, VerdictValue.WRONG)


def words(text: str) -> None:
    """Open questions: the text as answer and as gold."""
    tokens = answer_tokens(text)
    assert all(token == token.strip() and token for token in tokens)
    judgement = QA.judge("kestrel", text)
    assert judgement.value in set(VerdictValue) - {VerdictValue.UNSCORED}
    assert judgement.value is not VerdictValue.CORRECT or "kestrel" in tokens[-1].replace(" ", "")
    assert all(0.0 <= part <= 1.0 for part in judgement.parts.values())
    assert (judgement.value is VerdictValue.ABSTAINED) <= abstains(tokens)
    gold = parse_short_gold(text)
    assert gold is None or gold.answers


def expressions(text: str) -> None:
    """What may reach a scorer that evaluates holds no name, attribute or string that runs anything."""
    if plain_arithmetic(text):
        assert not re.search(r"__|[\"'\[\]:;@=#]|\.[A-DF-Za-df-z_]", text)


TARGETS: dict[str, Callable[[str], None]] = {
    "choice": choice,
    "countdown": countdown,
    "expressions": expressions,
    "formulas": formulas,
    "numbers": numbers,
    "programs": programs,
    "quantities": quantities,
    "short_answers": short_answers,
    "tagged": tagged,
    "typography": typography,
    "words": words,
}


def everything(text: str) -> None:
    """All of them on one text: for a short look."""
    for check in TARGETS.values():
        check(text)


def text_of(data: bytes) -> str:
    """Bytes as a text, those that are not UTF-8 as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")
