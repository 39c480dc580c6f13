"""What is stored of the arguments is read as the same arguments, or nothing is stored and the message names the place."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntFlag, StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
)
from typing_extensions import TypedDict

from holdfast.client.task import JobType, TypeOptions
from holdfast.core.errors import InvalidArguments
from holdfast.core.retry import as_backoff

OPTIONS = TypeOptions("default", 0, None, as_backoff(None), None, "thread", None, ())
T = TypeVar("T")


class Color(StrEnum):
    RED = "red"


class Pair(Enum):
    ONE = (1, 2)


class Right(IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Options(TypedDict, total=False):
    deep: bool
    name: str | None


class Base(BaseModel):
    a: int


class Sub(Base):
    b: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


class Box(BaseModel, Generic[T]):
    content: T


class Tree(BaseModel):
    children: list[Tree] = Field(default_factory=list["Tree"])


class Numbers(RootModel[list[int]]):
    pass


class Alias(BaseModel):
    n: int = Field(alias="theN")


class OneWay(BaseModel):
    n: int = Field(validation_alias="number")


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    w: int

    @computed_field
    @property
    def double(self) -> int:
        return self.w * 2


class Hidden(BaseModel):
    token: str = Field(default="none", exclude=True)


class German(BaseModel):
    when: datetime

    @field_serializer("when")
    def written(self, value: datetime) -> str:
        return value.strftime("%d.%m.%Y")


class Shown(BaseModel):
    key: SecretStr

    @field_serializer("key")
    def written(self, value: SecretStr) -> str:
        return value.get_secret_value()


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Fresh(BaseModel):
    key: UUID = Field(default_factory=uuid4)


class Private(BaseModel):
    a: int = 1
    _note: str = PrivateAttr(default="none")
    _lock: Any = PrivateAttr(default_factory=threading.Lock)


class Ratio(BaseModel):
    value: float


@dataclasses.dataclass
class Plain:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list[str])


@dataclasses.dataclass
class Late:
    x: int
    z: int = dataclasses.field(init=False, default=7)


class Angry:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def changed(**values: Any) -> Private:
    model = Private()
    for name, value in values.items():
        setattr(model, name, value)
    return model


def job(hint: Any, *default: Any) -> JobType:
    def function(v: Any) -> None: ...

    function.__annotations__ = {"v": hint}
    function.__defaults__ = default
    return JobType("job", cast(Callable[..., Any], function), OPTIONS)


WHEN = datetime(2026, 11, 27, 12, 0, 0, 5)


def _shown(hint: object) -> str:
    """The same text in every process, as ids of tests must be."""
    return re.sub(r"[^\w.]+", " ", re.sub(r" at 0x\w+", "", repr(hint)))[:60]


COME_BACK: list[tuple[Any, Any]] = [
    (Alias, Alias(theN=3)),
    (Computed, Computed(w=2)),
    (Cat | Dog, Dog(kind="dog")),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(kind="cat", lives=3)),
    (Box[int], Box[int](content=3)),
    (Box[datetime], Box[datetime](content=WHEN)),
    (Tree, Tree(children=[Tree(), Tree(children=[Tree()])])),
    (Numbers, Numbers([1, 2])),
    (Plain, Plain(1, ["a"])),
    (Point, Point(1)),
    (Options, Options(deep=True)),
    (Options, Options(name=None)),
    (Loose, Loose.model_validate({"b": [1, {"c": None}]})),
    (Fresh, Fresh()),
    (Private, Private()),
    (Color, Color.RED),
    (Right, Right.READ | Right.WRITE),
    (dict[Color, int], {Color.RED: 1}),
    (dict[int, str], {1: "a", 0: "b"}),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (defaultdict[str, list[int]], defaultdict(list, a=[1])),
    (Counter[str], Counter("aab")),
    (deque[int], deque([1, 2])),
    (set[int], {3, 1}),
    (frozenset[Color], frozenset({Color.RED})),
    (tuple[int, str], (1, "a")),
    (Decimal, Decimal("1.00")),
    (Decimal | str, "x"),
    (int | float, 1.0),
    (float, 5e-324),
    (float, -0.0),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (datetime, WHEN),
    (datetime, WHEN.replace(tzinfo=UTC)),
    (datetime, WHEN.replace(tzinfo=ZoneInfo("Asia/Kolkata"))),
    (datetime, WHEN.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
    (date, WHEN.date()),
    (time, time(1, 2, 3, 4)),
    (bytes, "é".encode()),
    (Path, Path("/a/b.csv")),
    (UUID, UUID(int=5)),
    (IPv4Address, IPv4Address("127.0.0.1")),
    (AnyUrl, AnyUrl("http://example.org/a")),
    (Json[dict[str, int]], '{"a": 1}'),
    (Iterable[int], [1, 2]),
    (Sequence[int], [1, 2]),
    (Any, {"a": [1, 2.5, None, True, "b"]}),
    (list, [1, "a", None]),
    (dict, {"a": {"b": []}}),
    (Literal["red"], "red"),
    (Literal["red"], Color.RED),
    (str, Color.RED),
    (None, None),
    (datetime | None, None),
]


@pytest.mark.parametrize(
    ("hint", "value"), COME_BACK, ids=[f"{n} {_shown(hint)}" for n, (hint, *_) in enumerate(COME_BACK)]
)
def test_what_is_accepted_comes_back(hint: Any, value: Any) -> None:
    kind = job(hint)
    accepted = kind._validator.validate_python({"v": value}).arg_v  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    back = kind.load(kind.dump({"v": value}))["v"]
    if hint == Iterable[int]:  # each is read once
        accepted, back = list(accepted), list(back)
    assert type(back) is type(accepted)
    assert back == accepted or isinstance(value, Private)  # whose locks are two


REFUSED: list[tuple[Any, Any, tuple[str | int, ...], str]] = [
    (SecretStr, SecretStr("hunter2"), (), "secret"),
    (SecretBytes, SecretBytes(b"hunter2"), (), "secret"),
    (Secret[date], Secret[date](date(2020, 1, 1)), (), "secret"),
    (SecretStr, SecretStr("**********"), (), "secret"),
    (Shown, Shown(key=SecretStr("hunter2")), ("key",), "secret"),
    (dict[str, SecretStr | None], {"a": SecretStr("hunter2")}, ("a",), "secret"),
    (set[SecretStr], {SecretStr("hunter2")}, (0,), "secret"),
    (Any, [SecretStr("hunter2")], (0,), "secret"),
    (Base, Sub(a=1, b="lost"), (), "Sub would come back as Base"),
    (list[Base], [Base(a=1), Sub(a=1, b="lost")], (1,), "Sub would come back as Base"),
    (Iterable[Base], [Sub(a=1, b="lost")], (), "cannot be compared"),
    (Hidden, Hidden(token="t"), ("token",), "changed"),
    (OneWay, OneWay(number=3), ("number",), "Field required"),
    (German, German(when=WHEN), ("when",), "invalid"),
    (Late, Late(1), ("z",), "Unexpected keyword"),
    (Annotated[int, AfterValidator(lambda n: n * 2)], 5, (), "changed"),
    (Annotated[list[str], BeforeValidator(lambda text: text.split(","))], "a,b", (), "AttributeError"),
    (dict[tuple[int, int], str], {(1, 2): "a"}, ("1,2", "[key]"), "valid array"),
    (Private, changed(_note="lost"), ("_note",), "changed"),
    (Ratio, Ratio(value=float("nan")), ("value",), "number"),
    (Box[float | None], Box[float | None](content=float("nan")), ("content",), "float would come back as NoneType"),
    (datetime | str, "2026-11-27T12:00:00", (), "str would come back as datetime"),
    (Any, (1, 2), (), "tuple would come back as list"),
    (Any, {"a": WHEN}, ("a",), "datetime would come back as str"),
    (Any, Color.RED, (), "Color would come back as str"),
    (Any, b"a", (), "bytes would come back as str"),
    (Any, {1, 2}, (), "set would come back as list"),
    (dict, {1: "a"}, (), "a key: int would come back as str"),
    (Sequence[int], (1, 2), (), "tuple would come back as list"),
    (Pair, Pair.ONE, (), "Input should be"),
    (re.Pattern[str], re.compile("a", re.IGNORECASE), (), "changed"),
    (deque[int], deque([1], maxlen=3), (), "length"),
    (defaultdict[str, int], defaultdict(lambda: 5, a=1), (), "default factory"),
    (bytes, b"\xff", (), "utf-8"),
    (type[int], int, (), "serialize"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("hint", "value", "place", "words"),
    REFUSED,
    ids=[f"{n} {_shown(hint)}" for n, (hint, *_) in enumerate(REFUSED)],
)
def test_what_would_not_come_back_is_refused_with_its_place(
    hint: Any, value: Any, place: tuple[str | int, ...], words: str
) -> None:
    with pytest.raises(InvalidArguments, match=words) as refused:
        job(hint).dump({"v": value})
    (problem,) = refused.value.problems
    assert problem.loc in (("args", "v", *place), ("args",))
    assert "hunter2" not in str(refused.value)
    assert problem.loc != ("args",) or not place


@pytest.mark.parametrize(
    ("hint", "default", "received"),
    [
        (int, 5, 5),
        (float, 1, 1.0),
        (Color, "red", Color.RED),
        (datetime, WHEN, WHEN),
        (tuple[int, ...], (), ()),
    ],
)
def test_a_default_is_stored_like_any_other_argument(hint: Any, default: Any, received: Any) -> None:
    kind = job(hint, default)
    back = kind.load(kind.dump({}))["v"]
    assert (type(back), back) == (type(received), received)


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (int, None),
        (Annotated[int, Field(ge=0)], -1),
        (SecretStr, SecretStr("hunter2")),
        (Base, Sub(a=1, b="lost")),
    ],
)
def test_a_default_that_does_not_fit_is_refused_like_any_other_argument(hint: Any, default: Any) -> None:
    with pytest.raises(InvalidArguments):
        job(hint, default).dump({})


@pytest.mark.parametrize(
    ("hint", "value", "reads"),
    [
        (int, 1, 0),
        (str | None, None, 0),
        (list[dict[str, int | str]], [{"a": 1}], 0),
        (Annotated[str, Field(min_length=1, pattern="a+")], "aa", 0),
        (Literal["a", 1], "a", 0),
        (Any, {"a": [1, None]}, 0),
        (Any, {"a": Color.RED}, 1),
        (Annotated[str, Field(pattern="a+")] | int, 1, 1),
        (dict[int, str], {1: "a"}, 1),
        (datetime, WHEN, 1),
        (Base, Base(a=1), 1),
        (Annotated[int, AfterValidator(lambda n: n)], 1, 1),
    ],
)
def test_only_what_is_proven_is_not_read_back(
    hint: Any, value: Any, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading back is what costs, so a plain signature must not pay for it, and no other one may be spared."""
    read: list[str] = []

    def load(self: JobType, text: str) -> dict[str, Any]:
        read.append(text)
        return {"v": value}

    monkeypatch.setattr(JobType, "load", load)
    job(hint).dump({"v": value})
    assert len(read) == reads


def test_a_comparison_that_raises_refuses_the_arguments() -> None:
    angry = Annotated[Angry, PlainValidator(lambda _: Angry()), PlainSerializer(lambda _: "x")]
    with pytest.raises(InvalidArguments, match="RuntimeError: no comparison"):
        job(angry).dump({"v": "a"})
