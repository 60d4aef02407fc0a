"""Types of what others write: the harmless ways in which survey tools differ are accepted, as the JSON Schema says.

All of it is done by pydantic's compiled validators: this is read for every answer, and a call of Python costs more than
the rest of the field. What is emitted has the plain types, also where a model is part of both.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticUseDefault, core_schema

from schemas.base import LONGEST_ID, NO_CONTROLS

#: What a number must be within to be an id or a name: nobody counts further, and it bounds the text that it becomes.
_LEAST_NUMBER, _LARGEST_NUMBER = -(2**63), 2**64 - 1
#: BCP 47 needs no more.
LONGEST_LANGUAGE = 35


@dataclass(frozen=True)
class _Wire:
    """Validates by `core`; the JSON Schema is `consumed` where others write it, `emitted` where the worker does."""

    core: CoreSchema
    consumed: JsonSchemaValue
    emitted: JsonSchemaValue

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return self.core

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del core
        return dict(self.consumed if handler.mode == "validation" else self.emitted)


class _OrNull:
    """Accepts null, which leaves the field's default in place."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # The first choice is what nearly all answers have; Python is called for the second one only.
        absent = core_schema.chain_schema(
            [self._absent(), core_schema.no_info_plain_validator_function(_leave_default)]
        )
        return core_schema.union_schema([(handler(source), ""), (absent, "")], mode="left_to_right")

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        (given, _), _ = core["choices"]
        return handler(core_schema.union_schema([given, self._absent()]) if handler.mode == "validation" else given)

    def _absent(self) -> CoreSchema:
        """Return the validator of what counts as absent."""
        return core_schema.none_schema()


class _OrEmpty(_OrNull):
    """Accepts null and an empty list as well, which is how PHP writes an object without members."""

    def _absent(self) -> CoreSchema:
        empty = core_schema.list_schema(max_length=0)
        return core_schema.union_schema([(empty, ""), (core_schema.none_schema(), "")], mode="left_to_right")


def _leave_default(_: None) -> NoReturn:
    """Have a field keep its default."""
    raise PydanticUseDefault


_STRING: JsonSchemaValue = {"type": "string"}
_NULL: JsonSchemaValue = {"type": "null"}
_WHOLE_NUMBER: JsonSchemaValue = {"type": "integer", "minimum": _LEAST_NUMBER, "maximum": _LARGEST_NUMBER}
_DATE_TIME: JsonSchemaValue = {"type": "string", "format": "date-time"}


def _any_of(*schemas: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": list(schemas)}


def _whole(lowest: int, highest: int) -> CoreSchema:
    """Return a validator of whole numbers as JSON Schema has them: 3, 3.0 and 0.3e1, but not 3.5, true or "3"."""
    number = core_schema.float_schema(strict=True)
    return core_schema.chain_schema([number, core_schema.int_schema(strict=False, ge=lowest, le=highest)])


def _or_number(text: CoreSchema) -> CoreSchema:
    """Return a validator of such texts and of whole numbers, which become texts: 42 and 42.0 are "42".

    A whole number that is written without a point is read exactly, however large. The choices have no names, so that
    none is part of what is said about an error.
    """
    exact = core_schema.int_schema(strict=True, ge=_LEAST_NUMBER, le=_LARGEST_NUMBER)
    as_text = core_schema.str_schema(strict=False, coerce_numbers_to_str=True)
    numbers = (exact, _whole(_LEAST_NUMBER, _LARGEST_NUMBER))
    choices: list[CoreSchema | tuple[CoreSchema, str]] = [(text, "")]
    choices += [(core_schema.chain_schema([number, as_text]), "") for number in numbers]
    return core_schema.union_schema(choices, mode="left_to_right")


def _ignored_if_wrong(core: CoreSchema) -> CoreSchema:
    return core_schema.with_default_schema(core_schema.nullable_schema(core), default=None, on_error="default")


_id_text = core_schema.str_schema(strict=True, min_length=1, max_length=LONGEST_ID, pattern=NO_CONTROLS)
_id_published = _STRING | {"minLength": 1, "maxLength": LONGEST_ID, "pattern": NO_CONTROLS}

#: An identifier. A number counts as its digits.
AcceptedId = Annotated[str, _Wire(_or_number(_id_text), _any_of(_id_published, _WHOLE_NUMBER), _id_published)]

#: An identifier, or none.
AcceptedIdIfAny = Annotated[
    str | None,
    _Wire(
        core_schema.nullable_schema(_or_number(_id_text)),
        _any_of(_id_published, _WHOLE_NUMBER, _NULL),
        _any_of(_id_published, _NULL),
    ),
]

_empty_text = core_schema.str_schema(strict=True, max_length=0)
_id_or_empty = core_schema.union_schema([(_or_number(_id_text), ""), (_empty_text, "")], mode="left_to_right")
#: An identifier, or an empty text, which some survey tools write for an absent one.
AcceptedIdOrEmpty = Annotated[
    str, _Wire(_id_or_empty, _any_of(_id_published, _WHOLE_NUMBER, _STRING | {"maxLength": 0}), _id_published)
]

#: One name on the way down the tree, as it was written; null where a level is empty.
AcceptedName = Annotated[
    str | None,
    _Wire(
        core_schema.nullable_schema(_or_number(core_schema.str_schema(strict=True))),
        _any_of(_STRING, _WHOLE_NUMBER, _NULL),
        _any_of(_STRING, _NULL),
    ),
]

#: Free text, or none. A number counts as its digits: exports write a phone number as one.
AcceptedText = Annotated[
    str | None,
    _Wire(
        core_schema.nullable_schema(core_schema.str_schema(strict=False, coerce_numbers_to_str=True)),
        _any_of(_STRING, {"type": "number"}, _NULL),
        _any_of(_STRING, _NULL),
    ),
]

#: A language tag. Whatever can be none counts as not given: an alert is worth more than its language.
AcceptedLanguage = Annotated[
    str | None,
    _Wire(
        _ignored_if_wrong(core_schema.str_schema(strict=True, max_length=LONGEST_LANGUAGE)),
        _any_of(_STRING, _NULL),
        _any_of(_STRING | {"maxLength": LONGEST_LANGUAGE}, _NULL),
    ),
]

# Pydantic alone would take a number in quotes for seconds since 1970.
_moment = core_schema.chain_schema(
    [
        core_schema.custom_error_schema(
            core_schema.str_schema(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt _]"),
            custom_error_type="not_rfc3339",
            custom_error_message="must be RFC 3339, such as 2026-03-02T09:14:05+01:00",
        ),
        core_schema.datetime_schema(strict=False, tz_constraint="aware"),
    ]
)

#: A time with its UTC offset.
AcceptedTime = Annotated[datetime, _Wire(_moment, _DATE_TIME, _DATE_TIME)]

#: A time with its UTC offset, or none.
AcceptedTimeOrNull = Annotated[
    datetime | None,
    _Wire(core_schema.nullable_schema(_moment), _any_of(_DATE_TIME, _NULL), _any_of(_DATE_TIME, _NULL)),
]

#: A time that nothing important hangs on: what is none counts as not given.
AcceptedTimeIfAny = Annotated[
    datetime | None, _Wire(_ignored_if_wrong(_moment), _any_of(_DATE_TIME, _NULL), _any_of(_DATE_TIME, _NULL))
]

_SCORE: JsonSchemaValue = {"type": "integer", "minimum": 0, "maximum": 10}
AcceptedScore = Annotated[int, _Wire(_whole(0, 10), _SCORE, _SCORE)]

# Some count revisions in milliseconds since 1970. An absent revision may be null, which a field with OR_NULL accepts.
_REVISION: JsonSchemaValue = {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**53}
AcceptedRevision = Annotated[int, _Wire(_whole(0, 2**53 - 1), _any_of(_REVISION, _NULL), _REVISION)]

OR_NULL = _OrNull()
OR_EMPTY = _OrEmpty()


def absent_or_null(schema: dict[str, Any]) -> None:
    """Let a JSON Schema say that null is accepted, and not which value the worker keeps for it."""
    schema.pop("default", None)
    schema["anyOf"] = [*schema["anyOf"], _NULL]
