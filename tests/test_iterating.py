import itertools

from counterpoise.iterating import in_batches


def test_batches_are_made_as_they_are_asked_for():
    endless = in_batches(itertools.count(), 3)
    assert [next(endless), next(endless)] == [[0, 1, 2], [3, 4, 5]]


def test_the_last_batch_is_shorter_and_none_is_empty():
    assert [list(in_batches(iter(range(n)), 2)) for n in (0, 2, 3)] == [[], [[0, 1]], [[0, 1], [2]]]
