"""What every section of the run file is: frozen, without unknown keys, its fields documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Count", "NonNegative", "Positive", "Probability", "Section"]

Probability = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of the run file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _none(cls, data: object) -> object:
        # TOML has no null: where a field may be None, the word "none" says so.
        if not isinstance(data, Mapping):
            return data
        optional = {name for name, field in cls.model_fields.items() if type(None) in get_args(field.annotation)}
        return {k: None if k in optional and v == "none" else v for k, v in data.items()}
