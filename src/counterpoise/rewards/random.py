"""The placebo: right or wrong by a coin, whatever the response says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NoReturn

from counterpoise.errors import UsageError
from counterpoise.ranges import Share
from counterpoise.settings import settings
from counterpoise.streams import numpy_generator
from counterpoise.types import Reward, Verdict
from counterpoise.world import ALONE, World, add

__all__ = ["Random"]


@settings("reward random")
class Random:
    """`r = +1` with probability q, else -1, for every scored response, independently of it and of one another; NaN if unscored.

    A control: what a run under it gains comes from training as such (formats, clipping, entropy, the optimiser), not from rewards.
    Credit reads the coin instead of the verdict, for rules that split by verdict too; what a run reports of success is the verifier's.
    Which responses are unscored still depends on them: keep that share small. Source: controls of arXiv 2506.10947 (spurious rewards).
    """

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    probability: Share | None = None
    """q in [0, 1]; none is the success rate of the step's scored responses, over all processes, so that both signs have the mass that
    true rewards would give them."""

    def __call__(self, verdict: Verdict) -> NoReturn:
        """Refused: a coin is drawn for a whole step.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "credit.reward=random is drawn for the responses of a training step; a verdict alone has no such reward"
        )

    def draw(self, verdicts: Sequence[Verdict], *, seed: int, world: World = ALONE) -> list[Reward]:
        """A reward for each verdict, on the stream `placebo` of the seed; every process must call it.

        Args:
            verdicts: of this process's responses.
            seed: the step's, which a resumed run has again.
            world: the processes that share the step.
        """
        right, scored = add(world, [float(sum(v.correct for v in verdicts)), float(sum(v.scored for v in verdicts))])
        rate = self.probability if self.probability is not None else right / scored if scored else 0.0
        coins = numpy_generator(seed, "placebo").random(len(verdicts)) < rate
        return [
            Reward(value=(1.0 if coin else -1.0) if verdict.scored else float("nan"), low=-1.0, high=1.0)
            for verdict, coin in zip(verdicts, coins.tolist(), strict=True)
        ]
