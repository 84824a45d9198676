"""Base class of every section of the run file: frozen, without unknown keys, its fields documented."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

__all__ = [
    "STORED",
    "Compiling",
    "Component",
    "Folder",
    "Section",
    "component_fault",
    "number_fault",
]

STORED = "stored"
"""Key of the validation context of what a run directory holds: names that earlier versions allowed are read, not made."""


def _compiling(value: object) -> object:
    if value == "auto" or isinstance(value, bool):
        return value
    raise ValueError("expected true, false or auto")


Compiling = Annotated[bool | Literal["auto"], PlainValidator(_compiling, json_schema_input_type=bool | Literal["auto"])]
"""Whether operators are compiled; `auto`: where there is a compiler that does it."""

_LONGEST = 255
"""Bytes of a file's name on the usual file systems."""


def component_fault(name: str) -> str | None:
    """Why a text cannot be the name of a file or directory of ours; None where it can.

    It is one component of a path (so that nothing is written elsewhere), without control characters (so that it can be printed).
    """
    if not name.strip():
        return "it is empty"
    if name in (".", ".."):
        return "it is a directory of its own"
    if "/" in name or (os.altsep or "/") in name:
        return "it holds a slash, and a name is one component of a path"
    if not name.isprintable():
        return "it holds a character that cannot be printed"
    if len(name.encode()) > _LONGEST:
        return f"it has {len(name.encode())} bytes, and a file name has {_LONGEST} at most"
    return None


def number_fault(value: object) -> str | None:
    """What is wrong with the first number in a value, or in the tables and lists that it is made of, that is none to compute with.

    Infinity and NaN have no meaning in any setting (what can be switched off is `none`), and integers beyond 64 bits fit nowhere. None
    where all numbers are sound.
    """
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a finite number"
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return None
        return f"an integer of about {value.bit_length() * math.log10(2):.0f} digits is more than 64 bits hold"
    if isinstance(value, BaseModel):
        return None  # its own fields are asked
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return next((fault for one in inner if (fault := number_fault(one)) is not None), None)


def _component(name: str, info: ValidationInfo) -> str:
    fault = None if (info.context or {}).get(STORED) else component_fault(name)
    if fault is not None:
        raise ValueError(f"not a name: {fault}")
    return name


def _folder(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("not a path: it holds a NUL character")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > _LONGEST:
        raise ValueError(f"not a path: a part of it has {longest} bytes, and a file name has {_LONGEST} at most")
    try:
        return path.expanduser()
    except RuntimeError:  # the home directory of nobody
        return path


Component = Annotated[str, AfterValidator(_component)]
Folder = Annotated[Path, AfterValidator(_folder)]


def _optional(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


class Section(BaseModel):
    """A table of the run file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _none(cls, data: object) -> object:
        # TOML has no null: where a field may be None, the word "none" says so.
        if not isinstance(data, Mapping):
            return data
        optional = {name for name, field in cls.model_fields.items() if _optional(field)}
        return {k: None if k in optional and v == "none" else v for k, v in data.items()}

    @field_validator("*")
    @classmethod
    def _finite(cls, value: Any, info: ValidationInfo) -> Any:
        fault = None if (info.context or {}).get(STORED) else number_fault(value)
        if fault is not None:
            off = "; what switches it off is none" if _optional(cls.model_fields[str(info.field_name)]) else ""
            raise ValueError(fault + off)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The JSON schema, each field with the text under it, which pydantic would read from the source whenever a class is made."""
        from counterpoise.config.field_texts import texts_under_fields

        made = handler(schema)
        kinds = [kind for kind in reversed(cls.__mro__) if issubclass(kind, Section) and kind is not Section]
        properties = handler.resolve_ref_schema(made)["properties"]
        for name, text in texts_under_fields(kinds).items():
            properties[name]["description"] = text
        return made
