"""From a problem to the text and token ids the policy sees."""

from counterpoise.prompts.templates import TEMPLATES, make_prompts

__all__ = ["TEMPLATES", "make_prompts"]
