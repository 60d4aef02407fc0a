"""What a value must be: the words for the errors that pydantic finds. No message repeats the value."""

from pydantic_core import ErrorDetails

from schemas.base import NO_CONTROLS

#: What a time must be.
TIME = "a time with its offset, such as 2026-03-02T09:14:05+01:00 or 2026-03-02T08:14:05Z"
#: The messages by the types of pydantic's errors. Placeholders in braces are from an error's context.
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": "must be a text",
    "string_unicode": "must be a text in UTF-8",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list",
    "dict_type": "must be a table of names",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "path_type": "must be the path of a file",
    "datetime_type": f"must be {TIME}",
    "datetime_parsing": f"must be {TIME}",
    "datetime_from_date_parsing": f"must be {TIME}",
    "datetime_object_invalid": f"must be {TIME}",
    "timezone_aware": f"must be {TIME}",
}


def expectation(error: ErrorDetails) -> str:
    """Return what a value must be that pydantic has refused."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch" and context["pattern"] == NO_CONTROLS:
        return "must have no control characters"
    if kind in {"string_too_short", "too_short"} and context["min_length"] == 1:
        return "must not be empty"
    found = _WORDS.get(kind)
    return error["msg"].removeprefix("Value error, ") if found is None else found.format_map(context)
