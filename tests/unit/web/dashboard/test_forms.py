"""A form made from any schema returns the values that it was filled with."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from holdfast.core.errors import Problem
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.types.form_data import read
from holdfast.web.dashboard.types.schema_form import Field, build
from holdfast.web.dashboard.viewer_prefs import View


class Inputs(HTMLParser):
    """What a browser would send for a form as it was drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.area = self.select = ""
        self.first = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {key: value or "" for key, value in attrs}
        name = a.get("name", "")
        if tag == "input" and name:
            if a.get("type") not in ("checkbox", "radio") or "checked" in a:
                self.data[name] = a.get("value", "")
        elif tag == "textarea":
            self.area, self.data[name] = name, ""
        elif tag == "select":
            self.select, self.first = name, True
        elif tag == "option" and self.select and ("selected" in a or self.first):
            self.data[self.select], self.first = a.get("value", ""), False

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""
        if tag == "select":
            self.select = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.data[self.area] += data


def drawn(tree: Field) -> str:
    draw = macros("types/fields.html", View()).draw
    return "".join(str(draw(child)) for child in tree.children)


def sent(schema: dict[str, Any], values: Any) -> dict[str, str]:
    inputs = Inputs()
    inputs.feed(drawn(build(schema, values)))
    return inputs.data


def one(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, "required": ["x"] if required else []}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


POINT = {
    "type": "object",
    "properties": {"lat": {"type": "number"}, "name": {"type": "string"}},
    "required": ["lat", "name"],
}

CASES: list[tuple[dict[str, Any], Any]] = [
    (one({"type": "string"}), {"x": "eu/2026.csv"}),
    (one({"type": "string"}), {"x": ""}),
    (one({"type": "string"}), {"x": "'\"<>&\u202eabc 😀 %2F"}),
    (one({"type": "string", "maxLength": 5000}), {"x": "two\nlines"}),
    (one({"type": "integer"}), {"x": 9007199254740993}),
    (one({"type": "integer", "minimum": 1}), {"x": 1}),
    (one({"type": "number"}), {"x": 1.5}),
    (one({"type": "number"}), {"x": -3}),
    (one({"type": "boolean"}), {"x": True}),
    (one({"type": "boolean"}), {"x": False}),
    (one({"type": "boolean", "default": True}, required=False), {"x": False}),
    (one(nullable({"type": "boolean"})), {"x": None}),
    (one(nullable({"type": "boolean"})), {"x": False}),
    (one({"enum": ["skip", "pause"]}), {"x": "pause"}),
    (one({"enum": [1, "1", None]}), {"x": 1}),
    (one({"enum": list("abcdefg")}), {"x": "g"}),
    (one({"const": 7}), {"x": 7}),
    (one(nullable({"type": "string"})), {"x": None}),
    (one(nullable({"type": "integer"})), {"x": 3}),
    (one({"type": "string", "format": "date-time"}), {"x": "2026-11-20T14:03:22"}),
    (one({"type": "string", "format": "date"}), {"x": "2026-11-20"}),
    (one({"type": "string", "format": "email"}), {"x": "a@b.example"}),
    (one({"type": "array", "items": {"type": "integer"}}), {"x": [320, 1280]}),
    (one({"type": "array", "items": {"type": "string"}}), {"x": []}),
    (one({"type": "array", "items": POINT}), {"x": [{"lat": 1.5, "name": "a"}, {"lat": 2, "name": ""}]}),
    (one(POINT), {"x": {"lat": 3, "name": "b"}}),
    (one({"type": "object", "additionalProperties": {"type": "integer"}}), {"x": {"a": 1}}),
    (one({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}), {"x": [1, "a"]}),
    (one({"anyOf": [{"type": "integer"}, {"type": "string"}]}), {"x": "a"}),
    (one({"anyOf": [{"type": "integer"}, {"type": "string"}]}), {"x": 4}),
    (one({"anyOf": [{"type": "integer"}, POINT]}), {"x": {"lat": 1, "name": "p"}}),
    ({"$defs": {"P": POINT}, **one({"$ref": "#/$defs/P"})}, {"x": {"lat": 1, "name": "ref"}}),
    (one({"type": "string"}, required=False), {}),
    (one({}), {"x": {"any": [1, "thing", None]}}),
    ({"type": "object", "properties": {"a/b~c": {"type": "string"}}}, {"a/b~c": "odd key"}),
]


@pytest.mark.parametrize(("schema", "values"), CASES, ids=lambda case: str(case)[:60])
def test_what_was_filled_in_comes_back(schema: dict[str, Any], values: Any) -> None:
    got = read(schema, sent(schema, values))
    assert got.problems == []
    assert got.args == values
    assert type(got.args.get("x")) is type(values.get("x"))
    Draft202012Validator(schema).validate(got.args)


def test_an_optional_field_left_empty_is_not_sent() -> None:
    schema = one({"type": "integer"}, required=False)
    assert read(schema, {"a/x": ""}).args == {}


def test_what_is_not_a_number_stays_as_typed_and_goes_to_the_model() -> None:
    got = read(one({"type": "integer"}), {"a/x": "twenty"})
    assert got.args == {"x": "twenty"}
    assert 'value="twenty"' in drawn(build(one({"type": "integer"}), got.shown))


def test_json_that_cannot_be_read_is_reported_beside_its_field_and_kept() -> None:
    schema = one({"type": "object"})
    got = read(schema, {"a/x": "{oops"})
    assert [problem.loc for problem in got.problems] == [("x",)]
    html = drawn(build(schema, got.shown, got.problems))
    assert "{oops" in html
    assert 'aria-describedby="e-f-x ' in html


@pytest.mark.parametrize("text", ["NaN", "Infinity", "[" * 5000])
def test_json_that_is_none_is_refused(text: str) -> None:
    assert read(one({}), {"a/x": text}).problems


def test_a_problem_is_shown_beside_the_field_it_names() -> None:
    schema = one({"type": "array", "items": POINT})
    tree = build(schema, {"x": [{"lat": 1, "name": "a"}]}, [Problem(("x", 0, "lat"), "too far north")])
    lat = tree.children[0].children[0].children[0]
    assert lat.errors == ["too far north"]


def test_rows_are_added_and_removed_without_losing_the_others() -> None:
    schema = one({"type": "array", "items": {"type": "string"}})
    form = {"a/x/#": "2", "a/x/0": "a", "a/x/1": "b"}
    assert read(schema, form, remove="a/x/0").args == {"x": ["b"]}
    assert len(build(schema, read(schema, form, add="a/x").shown).children[0].children) == 3


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {
        "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}},
        **one({"$ref": "#/$defs/N"}),
    }
    assert "JSON" in drawn(build(schema))
    assert build(one({"$ref": "#/$defs/Loop"}) | {"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}})


def test_values_cannot_break_out_of_the_form() -> None:
    schema = one(
        {"type": "string", "title": "<b>t</b>", "description": "<i>d</i>", "default": '"><script>1</script>'}
    )
    html = drawn(build(schema))
    assert "<script" not in html
    assert "<b>t" not in html
    assert "<i>d" not in html
