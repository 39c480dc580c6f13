"""What each form of the search language means: the examples of the specification, field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.errors import InvalidQuery
from holdfast.core.query import (
    FIELDS,
    FINGERPRINT,
    STATES,
    And,
    ArgPath,
    Duration,
    Glob,
    JobState,
    Kind,
    Not,
    Number,
    Or,
    Pattern,
    Phrase,
    Present,
    Query,
    QueryError,
    StateIs,
    Text,
    Time,
    Word,
    parse,
    term,
)
from holdfast.core.states import Request, State

NOW = datetime(2026, 11, 19, 16, 3, 22, 250_000, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def ask(text: str, **options: Any) -> Query:
    return parse(text, **{"now": NOW, "me": "ann", **options})


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def states(*names: State) -> JobState:
    return JobState(tuple(StateIs(name) for name in names))


SPECIFIED = {
    "state:failed,cancelled queue:mail": And(
        (states(State.FAILED, State.CANCELLED), Text("queue", ("mail",))),
    ),
    "type:report.*": Glob("type", Pattern(("report.", ""))),
    "-type:ping": Not(Text("type", ("ping",))),
    "owner:me tag:eu,urgent": And((Text("owner", ("ann",)), Text("tag", ("eu", "urgent")))),
    "tag:eu tag:urgent": And((Text("tag", ("eu",)), Text("tag", ("urgent",)))),
    "error:TimeoutError": Text("error", ("TimeoutError",)),
    'error:"connection reset"': Phrase("error", "connection reset"),
    "error:#a1b2c3": Glob(FINGERPRINT, Pattern(("a1b2c3", ""))),
    "args.user.id:42": ArgPath(("user", "id"), "=", 42),
    'args.user.id:"42"': ArgPath(("user", "id"), "=", "42"),
    'args.user.id:~"42"': ArgPath(("user", "id"), "~", "42"),
    'args.items[0].sku:"A 1"': ArgPath(("items", 0, "sku"), "=", "A 1"),
    "args.note:*": ArgPath(("note",), "present"),
    "created:>2h": Time("created", NOW - timedelta(hours=2), None),
    "created:<2h": Time("created", None, NOW - timedelta(hours=2)),
    "created:2026-11-01..2026-11-03": Time("created", at(2026, 11, 1), at(2026, 11, 4)),
    "finished:today": Time("finished", at(2026, 11, 19), at(2026, 11, 20)),
    "finished:yesterday": Time("finished", at(2026, 11, 18), at(2026, 11, 19)),
    "run:<2026-11-20T10:00Z": Time("run", None, at(2026, 11, 20, 10)),
    "duration:>30s wait:>5m attempt:>=2 priority:>5 progress:<50": And(
        (
            Duration("duration", ">", 30.0),
            Duration("wait", ">", 300.0),
            Number("attempt", ">=", 2),
            Number("priority", ">", 5),
            Number("progress", "<", 50),
        )
    ),
    "worker:web-3 schedule:nightly batch:01J9 parent:01J7 key:acct:7 version:1.4.*": And(
        (
            Text("worker", ("web-3",)),
            Text("schedule", ("nightly",)),
            Text("batch", ("01J9",)),
            Text("parent", ("01J7",)),
            Text("key", ("acct:7",)),
            Glob("version", Pattern(("1.4.", ""))),
        )
    ),
    "paused-by:ana reason:deploy id:01J8*": And(
        (Text("paused-by", ("ana",)), Text("reason", ("deploy",)), Glob("id", Pattern(("01J8", "")))),
    ),
    "invoice 2026": And((Word("invoice"), Word("2026"))),
}


@pytest.mark.parametrize("text", SPECIFIED)
def test_the_examples_of_the_specification_mean_what_it_says(text: str) -> None:
    query = ask(text)
    assert query.root == SPECIFIED[text]
    assert query.text == text, "each example is in canonical form"


@pytest.mark.parametrize(
    ("text", "root", "canonical"),
    [
        ("", None, ""),
        ("a OR b c", Or((Word("a"), And((Word("b"), Word("c"))))), "a OR b c"),
        ("(a OR b) c", And((Or((Word("a"), Word("b"))), Word("c"))), "(a OR b) c"),
        ("a AND (b AND c)", And((Word("a"), Word("b"), Word("c"))), "a b c"),
        ("a OR (b OR (c))", Or((Word("a"), Word("b"), Word("c"))), "a OR b OR c"),
        ("NOT (a b)", Not(And((Word("a"), Word("b")))), "-(a b)"),
        ("NOT(a)", Not(Word("a")), "-a"),
        ("-(-a)", Not(Not(Word("a"))), "-(-a)"),
        ('or and "not"', And((Word("or"), Word("and"), Word("not"))), 'or and "not"'),
        ("not a Not b nOT (c)", And((Not(Word("a")), Not(Word("b")), Not(Word("c")))), "-a -b -c"),
        ("nothing note", And((Word("nothing"), Word("note"))), "nothing note"),
        ("127.0.0.1:80", Word("127.0.0.1:80"), "127.0.0.1:80"),
        ('"feld.x:5"', Word("feld.x:5"), '"feld.x:5"'),
        ('"OR"', Word("OR"), '"OR"'),
        ('"-5" "a b" "plain"', And((Word("-5"), Word("a b"), Word("plain"))), '"-5" "a b" plain'),
        ("10:30 a,b args.txt", And((Word("10:30"), Word("a,b"), Word("args.txt"))), "10:30 a,b args.txt"),
        (
            r'"say \"hi\" to C:\dir\\"',
            Word('say "hi" to C:\\dir\\'),
            r'"say \"hi\" to C:\dir\\"',
        ),
        ("STATE:Failed", states(State.FAILED), "state:failed"),
        ('state:"Failed"', states(State.FAILED), "state:failed"),
        ("type:=a", Text("type", ("a",)), "type:a"),
        ('type:"a","b c",a', Text("type", ("a", "b c")), 'type:a,"b c",a'),
        ('type:"*"', Text("type", ("*",)), 'type:"*"'),
        ('type:"a*" key:">5"', And((Text("type", ("a*",)), Text("key", (">5",)))), 'type:"a*" key:">5"'),
        ("type:*", Present("type"), "type:*"),
        ("owner:null", Not(Present("owner")), "owner:null"),
        ("owner:ann,null", Or((Text("owner", ("ann",)), Not(Present("owner")))), "owner:ann,null"),
        ('owner:"null","me"', Text("owner", ("null", "me")), 'owner:"null","me"'),
        ("type:a*,b", Or((Text("type", ("b",)), Glob("type", Pattern(("a", ""))))), "type:a*,b"),
        ("finished:null", Not(Present("finished")), "finished:null"),
        ("error:Time*", Glob("error", Pattern(("Time", ""))), "error:Time*"),
        ('error:"TimeoutError"', Phrase("error", "TimeoutError"), 'error:"TimeoutError"'),
        ("error:#A1*", Glob(FINGERPRINT, Pattern(("a1", ""))), "error:#A1*"),
        ("error:null", Not(Present("error")), "error:null"),
        ("priority:-5", Number("priority", "=", -5), "priority:-5"),
        ("attempt:2..5", Number("attempt", "..", 2, 5), "attempt:2..5"),
        ("attempt:1,3", Or((Number("attempt", "=", 1), Number("attempt", "=", 3))), "attempt:1,3"),
        ("progress:>=99.5%", Number("progress", ">=", 99.5), "progress:>=99.5%"),
        ("duration:1h30m..2h", Duration("duration", "..", 5400.0, 7200.0), "duration:1h30m..2h"),
        ("wait:<=500ms", Duration("wait", "<=", 0.5), "wait:<=500ms"),
        ("args.a:true", ArgPath(("a",), "=", True), "args.a:true"),
        ("args.a:null", ArgPath(("a",), "=", None), "args.a:null"),
        ('args.a:"true"', ArgPath(("a",), "=", "true"), 'args.a:"true"'),
        ('args.a:"text"', ArgPath(("a",), "=", "text"), "args.a:text"),
        ("args.a:007", ArgPath(("a",), "=", "007"), "args.a:007"),
        ("args.a:>=-1.5e3", ArgPath(("a",), ">=", -1500.0), "args.a:>=-1.5e3"),
        ("args.a:>2026-01-01", ArgPath(("a",), ">", "2026-01-01"), "args.a:>2026-01-01"),
        ("args.a:-9223372036854775808", ArgPath(("a",), "=", -(2**63)), "args.a:-9223372036854775808"),
        ("args.a:9223372036854775807", ArgPath(("a",), "=", 2**63 - 1), "args.a:9223372036854775807"),
        ("args.a:1..5", ArgPath(("a",), "..", 1, 5), "args.a:1..5"),
        ('args.a:"1..5"', ArgPath(("a",), "=", "1..5"), 'args.a:"1..5"'),
        ("args.a:../x", ArgPath(("a",), "=", "../x"), "args.a:../x"),
        ("args.a:x*", ArgPath(("a",), "glob", Pattern(("x", ""))), "args.a:x*"),
        ("args.a:1,x", Or((ArgPath(("a",), "=", 1), ArgPath(("a",), "=", "x"))), "args.a:1,x"),
        (r'args["a.\"b"]["c"][2].0:1', ArgPath(('a."b', "c", 2, "0"), "=", 1), r'args["a.\"b"].c[2].0:1'),
        ('args[""]:1', ArgPath(("",), "=", 1), 'args[""]:1'),
    ],
)
def test_forms_their_meaning_and_their_canonical_text(text: str, root: object, canonical: str) -> None:
    query = ask(text)
    assert query.root == root
    assert query.text == canonical


def test_types_of_argument_values_are_kept_apart() -> None:
    kinds = {}
    for value in ("1", "1.0", "true", '"1"', "null", "9007199254740993"):
        root = ask(f"args.x:{value}").root
        assert isinstance(root, ArgPath)
        kinds[value] = (type(root.value), root.value)
    assert kinds == {
        "1": (int, 1),
        "1.0": (float, 1.0),
        "true": (bool, True),
        '"1"': (str, "1"),
        "null": (type(None), None),
        "9007199254740993": (int, 9007199254740993),
    }


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("a*", "prefix", ("a", "")),
        ("*a", "suffix", ("", "a")),
        ("*a*", "contains", ("", "a", "")),
        ("a*b", "general", ("a", "b")),
        ("*a**b*", "general", ("", "a", "b", "")),
    ],
)
def test_stars_are_kept_as_a_pattern(text: str, kind: str, parts: tuple[str, ...]) -> None:
    root = ask(f"type:{text}").root
    assert root == Glob("type", Pattern(parts))
    assert isinstance(root, Glob)
    assert root.pattern.kind == kind
    assert root.pattern.literal in ("a", "b")


def test_every_state_and_every_word_of_the_pages_can_be_asked() -> None:
    assert {StateIs(state) for state in State} <= set(STATES.values())
    assert ask("state:retrying").root == JobState((StateIs(State.SCHEDULED, reason="retry"),))
    assert ask("state:pausing").root == JobState((StateIs(State.PROCESSING, requested=Request.PAUSE),))
    assert ask("state:cancelling").root == JobState((StateIs(State.PROCESSING, requested=Request.CANCEL),))
    assert ask("state:queued,waiting,running").root == states(
        State.ENQUEUED, State.AWAITING, State.PROCESSING
    )
    assert ask("state:queued,enqueued").root == states(State.ENQUEUED)


def test_each_field_has_help_and_a_time_field_a_label() -> None:
    for name, field in FIELDS.items():
        assert name == field.name == name.lower()
        assert field.help
        assert "\n" not in field.help
        assert bool(field.label) == (field.kind is Kind.TIME)


SAMPLES = {
    Kind.STATE: "failed",
    Kind.TEXT: "a",
    Kind.ERROR: "E",
    Kind.TIME: "today",
    Kind.INTEGER: "1",
    Kind.PERCENT: "1",
    Kind.DURATION: "1s",
}


@pytest.mark.parametrize("field", [field for field in FIELDS.values() if field.kind is not Kind.ARGS])
def test_each_field_of_the_table_can_be_asked(field: Any) -> None:
    query = ask(f"{field.name}:{SAMPLES[field.kind]}")
    assert query.text == f"{field.name}:{SAMPLES[field.kind]}"
    assert (query.unindexed == ()) == field.indexed


def test_an_error_of_the_query_is_bad_input_with_its_place() -> None:
    with pytest.raises(InvalidQuery) as caught:
        ask("queue:mail stat:failed")
    assert caught.value.problems[0].loc == ("q", 11, 15)


@pytest.mark.parametrize(
    ("text", "unindexed", "narrowed"),
    [
        ("", (), False),
        ("type:a", (), True),
        ("type:a*", (), True),
        ("type:*a", ("type",), False),
        ("type:*", ("type",), False),
        ("duration:>1s", ("duration",), False),
        ("type:a duration:>1s wait:>1s duration:<9s", ("duration", "wait"), True),
        ("type:a OR duration:>1s", ("duration",), False),
        ("type:a OR queue:b", (), True),
        ("-type:a", ("type",), False),
        ("state:failed -(type:a args.x:1)", ("type", "args"), True),
        ("word created:>2h", ("words",), True),
        ("error:#a1 error:x", ("error",), False),
    ],
)
def test_terms_that_need_a_scan_are_named(text: str, unindexed: tuple[str, ...], narrowed: bool) -> None:
    query = ask(text)
    assert query.unindexed == unindexed
    assert query.narrowed == narrowed


def test_terms_are_the_parts_that_must_hold_with_their_place_in_the_source() -> None:
    source = "  state:failed   (type:a OR type:b) NOT owner:me AND x "
    query = ask(source)
    assert [chip.text for chip in query.terms()] == [
        "state:failed",
        "(type:a OR type:b)",
        "NOT owner:me",
        "x",
    ]
    assert all(source[chip.start : chip.end] == chip.text for chip in query.terms())
    assert [chip.text for chip in ask(" a OR b ").terms()] == ["a OR b"]
    assert ask("").terms() == ()


def test_a_term_is_taken_away_or_added_for_a_link() -> None:
    query = ask('state:failed (type:a OR "type b") NOT owner:me')
    assert [query.without(chip) for chip in query.terms()] == [
        '(type:a OR "type b") -owner:me',
        "state:failed -owner:me",
        'state:failed (type:a OR "type b")',
    ]
    assert query.without("-owner:me") == 'state:failed (type:a OR "type b")'
    assert query.without("nothing") == query.text
    assert query.without_field("state") == '(type:a OR "type b") -owner:me'
    assert query.without_field("owner") == 'state:failed (type:a OR "type b")'
    switched = query.with_term("state:queued", replacing="state")
    assert switched == '(type:a OR "type b") -owner:me state:queued'
    assert query.with_term("STATE:failed") == query.text, "what is there already is not added"
    assert ask("a OR b").with_term("c") == "(a OR b) c"
    assert ask("c").with_term("a OR b") == "c (a OR b)"
    assert ask("").with_term("x") == "x"
    assert ask("x").without("x") == ""
    assert ask("a OR b").without(ask("a OR b").terms()[0]) == ""


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "a b",
        'q"uo"te',
        "back\\",
        '\\"',
        "null",
        "me",
        "*",
        "a*",
        ">5",
        "#1",
        "a,b",
        "(x)",
        "-",
        "𝒳 rtl",
        "%2F",
    ],
)
def test_a_link_to_a_value_finds_exactly_that_value(value: str) -> None:
    assert ask(term("owner", value)).root == Text("owner", (value,))


def test_a_link_is_refused_where_no_search_can_hold_the_value() -> None:
    assert ask(term("error", "a.b.<locals>.E")).root == Text("error", ("a.b.<locals>.E",))
    for field, value in [("owner", "a\x00"), ("owner", "\ud800"), ("error", "a b")]:
        with pytest.raises(QueryError):
            term(field, value)
    with pytest.raises(ValueError, match="does not hold text"):
        term("created", "today")
