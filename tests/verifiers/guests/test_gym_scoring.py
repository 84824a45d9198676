import json

from counterpoise.verifiers.guests.gym_scoring import outcome, read_item, thaw


def gold(generator, answer, **options):
    return json.dumps({"generator": generator, "options": options, "answer": answer, "metadata": {}})


def test_tuples_and_numbers_as_keys_come_back():
    assert thaw({"a": [{"__tuple__": [1, {"__tuple__": []}]}]}) == {"a": [(1, ())]}
    assert thaw({"__pairs__": [[0, "a"], [{"__tuple__": [1, 2]}, []]]}) == {0: "a", (1, 2): []}


def test_reading_an_item():
    generator, entry, options = read_item(gold("gcd", "4", b=1, a=2))
    assert (generator, options) == ("gcd", '{"a": 2, "b": 1}')
    assert entry == {"question": "", "answer": "4", "metadata": {}}
    assert [read_item(text) for text in ("", "[]", "{}", "null", '{"answer": ' * 5000)] == [None] * 5


def test_the_outcomes():
    assert outcome(gold("chain_sum", "12"), "12") == {"score": 1.0}
    assert outcome("{}", "12") == {"refused": "expected the JSON of the task reasoning_gym"}
    assert outcome(gold("chain_sum", "12", x=1), "12")["refused"].startswith("options of chain_sum refused (TypeError")
    raised = outcome(gold("prime_factorization", "2 × 3"), "two")
    assert (raised["raised"].partition(":")[0], raised["own"]) == ("ValueError", True)
    assert outcome(gold("prime_factorization", "two"), "2 × 3")["own"] is False
