import pytest

from counterpoise.errors import UnknownNameError
from counterpoise.report.paper import find_published, published_curves


def test_the_figures_are_the_papers():
    curves = {curve.key: curve for curve in published_curves()}
    table = curves["qwen2.5-math-7b:MATH"]
    assert table.ks == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    # Table 1: NSR 75.7 at k=1 and 96.9 at k=256, PSR 74.1 and 91.2, the base 63.2
    assert (table.methods["NSR"][0], table.methods["NSR"][-1]) == (0.757, 0.969)
    assert (table.methods["PSR"][0], table.methods["PSR"][-1], table.methods["Base"][0]) == (0.741, 0.912, 0.632)
    assert len(curves) == 6
    for curve in curves.values():
        assert "2506.01347" in curve.source
        for shares in curve.methods.values():
            assert len(shares) == len(curve.ks) and list(shares) == sorted(shares) and 0 < shares[0] <= shares[-1] <= 1


def test_a_model_alone_means_math():
    assert find_published("Qwen3-4B").key == "qwen3-4b:MATH"
    assert find_published("qwen3-4b:aime2025").label == "Qwen3-4B, non-thinking, AIME2025"
    with pytest.raises(UnknownNameError, match=r"unknown published curves 'llama'.*qwen3-4b:AMC23"):
        find_published("llama")
