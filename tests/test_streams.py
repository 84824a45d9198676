import numpy as np

from counterpoise.streams import numpy_generator, stream


def test_a_stream_depends_on_every_name_and_on_types():
    seeds = {
        stream(0, "rollout", 3),
        stream(1, "rollout", 3),
        stream(0, "rollout", 4),
        stream(0, "update", 3),
        stream(0, "rollout", "3"),
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_are_the_same_on_every_machine():
    assert stream(0, "rollout", 3) == 4393340858462102590


def test_neighbouring_seeds_share_no_draws():
    # seed + i would make stream (42, i=1) and (43, i=0) one stream
    draws = [numpy_generator(seed, "order", i).random(8) for seed in (42, 43) for i in (0, 1)]
    assert len({tuple(np.round(d, 12)) for d in draws}) == 4
