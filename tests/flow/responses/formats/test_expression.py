"""Expressions that can be parsed, and would find nothing or fail when a customer answers."""

import pytest

from worker.flow.responses.formats.source import compiled


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("lower(email)", "has a function that JMESPath does not know"),
        ("a[?contains_all(b, 'c')]", "has a function that JMESPath does not know"),
        ("{a: b[?upper(c)]}.a", "has a function that JMESPath does not know"),
        ("join(name)", "gives the function join 1 arguments; it needs 2"),
        ("length(a, b)", "gives the function length 2 arguments; it needs 1"),
        ("not_null()", "gives the function not_null 0 arguments; it needs at least 1"),
        ("max_by(answers, time)", "gives the function max_by an argument of a wrong kind; it needs one an expression"),
        ("length(&a)", "gives the function length an argument of a wrong kind; it needs one without &"),
        ('"relation"', "names a field, since it is in double quotes; a text is in single quotes"),
        ('event == "completed"', "compares with something that names a field, since it is in double quotes"),
        ('answers[?"nps" != kind]', "compares with something that names a field, since it is in double quotes"),
    ],
)
def test_what_is_wrong_is_found_when_the_settings_are_read(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match="^" + problem.replace("(", r"\(")):
        compiled(expression)


@pytest.mark.parametrize(
    "expression",
    [
        '"Customer ID"',
        'properties."Customer ID" || id',
        "properties.\"Customer ID\" == 'c-1'",
        '@."Customer ID" == id',
        "event == 'completed'",
        "join('-', [a, b])",
        "not_null(a, b, c)",
        "max_by(answers, &time).score",
        "answers[0:2].score | [0]",
        "map(&id, answers)[0]",
        "a[?type=='nps'].number | [0]",
    ],
)
def test_what_is_right_is_compiled(expression: str) -> None:
    compiled(expression)
