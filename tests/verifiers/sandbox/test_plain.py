import contextlib
import itertools
import math
from collections import Counter, OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.sandbox.plain import Unsendable, decode_value, encode_value, load


def refuse(value):
    raise Unsendable(type(value).__name__)


def crossed(value):
    return decode_value(load(encode_value(value, refuse)), refuse)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.characters()
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashable, inner) | st.sets(hashable),
    max_leaves=20,
)


def same(left, right):
    """Equality in which 1, 1.0 and True differ."""
    return type(left) is type(right) and left == right


@given(values)
def test_plain_values_arrive_as_they_were(value):
    assert same(crossed(value), value)


@given(st.text())
def test_whatever_arrives_is_read_or_refused(text):
    with contextlib.suppress(Unsendable):
        decode_value(load(text), refuse)


@given(
    st.recursive(
        st.integers() | st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_json_arrives_is_read_or_refused(value):
    import json

    with contextlib.suppress(Unsendable):
        decode_value(load(json.dumps(value)), refuse)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "a"], '["l",1,"a"]'),
        ((), '["t"]'),
        ({1: (2.5,)}, '["d",1,["t",2.5]]'),
        (2**53, '["i","0x20000000000000"]'),
        (-(10**400), f'["i","{hex(-(10**400))}"]'),
        (1 + 2j, '["c",1.0,2.0]'),
        (b"\x00", '["b","00"]'),
        ([int, str], '["l",["y","int"],["y","str"]]'),
        (range(3), '["r",0,3,1]'),
        (math.inf, "Infinity"),
    ],
)
def test_the_form(value, text):
    assert encode_value(value, refuse) == text
    assert crossed(value) == value


class Liar(int):
    def __eq__(self, other):
        return True

    def __int__(self):
        return self

    __hash__ = int.__hash__


def test_subclasses_become_their_base():
    Point = namedtuple("Point", "x y")
    for value, base in [
        (Liar(3), 3),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (type("Text", (str,), {})("x"), "x"),
        (type("Real", (float,), {})(0.5), 0.5),
        (type("Array", (list,), {"__iter__": None})([1]), [1]),
    ]:
        arrived = crossed(value)
        assert type(arrived) is type(base) and arrived == base
    assert (crossed(Liar(3)) == 4) is False


def test_not_a_number_arrives_as_such():
    assert math.isnan(crossed(math.nan)) and math.isnan(crossed([complex(0, math.nan)])[0].imag)
    assert math.copysign(1, crossed(-0.0)) == -1


def test_iterators_arrive_as_iterators():
    arrived = crossed(x * x for x in range(4))
    assert next(arrived) == 0 and list(arrived) == [1, 4, 9]
    assert list(crossed(itertools.permutations("ab"))) == [("a", "b"), ("b", "a")]
    assert crossed({1: 2}.keys()) == {1} and list(crossed({1: 2}.values())) == [2]


def test_objects_stay_where_they_are():
    kept = []
    thing = object()
    assert encode_value([thing], lambda value: kept.append(value) or 7) == '["l",["o",7]]' and kept == [thing]
    assert decode_value(["l", ["o", 7]], lambda number: ("stands for", number)) == [("stands for", 7)]


def test_what_is_too_deep_or_too_large_is_refused():
    deep = []
    for _ in range(101):
        deep = [deep]
    with pytest.raises(Unsendable, match="nested more than 100 deep"):
        encode_value(deep, refuse)
    with pytest.raises(Unsendable, match="more than 1000000 items"):
        encode_value(range(0), refuse) and encode_value([0] * 1_000_001, refuse)
    with pytest.raises(Unsendable):
        load("[" * 100_000)
    with pytest.raises(Unsendable):
        decode_value(load('["l",' * 200 + "1" + "]" * 200), refuse)


@pytest.mark.parametrize("text", ["", "[", "nul", "1 2", '["l",1] x', '{"a"}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(Unsendable):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '["x",1]',
        '["d",1]',
        '["s",["l"]]',
        '["i","z"]',
        '["b",1]',
        '["c","a"]',
        '[["l"]]',
        '{"l":1}',
        '["r","a"]',
        '["y","eval"]',
        '["i"]',
    ],
)
def test_what_has_no_meaning_is_refused(text):
    with pytest.raises(Unsendable):
        decode_value(load(text), refuse)
