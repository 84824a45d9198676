"""From a problem to the text and token ids the policy sees."""

from counterpoise.prompts.templates import TEMPLATES
from counterpoise.prompts.wording import Wording, make_prompts

__all__ = ["TEMPLATES", "Wording", "make_prompts"]
