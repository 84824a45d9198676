"""From verdicts to rewards in a declared range."""

from counterpoise.rewards.abstention import Abstention
from counterpoise.rewards.binary import Binary, binary
from counterpoise.rewards.graded import Graded
from counterpoise.rewards.registry import REWARDS, RewardFunction, make_reward
from counterpoise.rewards.vector import Vector

__all__ = ["REWARDS", "Abstention", "Binary", "Graded", "RewardFunction", "Vector", "binary", "make_reward"]
