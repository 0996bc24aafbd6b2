"""Changes texts: tables, flags, and JSON whose values take hostile ones."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from tests.fuzz.damage import damaged

_TOKENS = (
    *(b'"', b",", b";", b"\n", b"\r", b"\t", b"\0", b"#", b"=", b"-", b"--", b"\\", b"''"),
    *(b"../", b"/etc/passwd", b"..\\", b"~", b"a" * 300, b"a/" * 3000, b"x" * 140_000),
    *(b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", "\u2028".encode(), "٣".encode()),
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"1e-999", b"9" * 400, b"9" * 5000, b"0x10", b"1_0"),
    *(b"true", b"null", b"None", b"{}", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b"%s", b"{0}"),
)
_TEXTS = ("", "x", "a" * 1000, "../x", "/etc/passwd", "\0", "\ud800", "\n", "1", "NaN", "é", "%s")
_NUMBERS = (0, 1, -1, 1.5, -0.0, 2**31, 2**63, -(2**63), 2**64, 10**400, 1e308, 1e-320)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, float("nan"), float("inf"), -float("inf"), *_NUMBERS, *_TEXTS),
    *([], {}, [[]], [None], {"a": 1}, ["x"] * 100, [0] * 1000, {"": None}),
)


def damaged_text(samples: list[bytes], random: Random) -> bytes:
    """One of the texts with some words, lines or bytes changed."""
    if random.random() < 0.2:
        return damaged(samples, random)
    data = random.choice(samples)
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        data = _with_token(data, random) if random.random() < 0.6 else _with_lines(data, random)
    return data


def damaged_json(samples: list[bytes], random: Random) -> bytes:
    """One of the JSON files with some values replaced, removed, renamed or added."""
    if random.random() < 0.2:
        return damaged_text(samples, random)
    value = json.loads(random.choice(samples))
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _changed(value, random)
    return json.dumps(value).encode()


def _with_token(data: bytes, random: Random) -> bytes:
    begin = random.randint(0, len(data))
    end = min(len(data), begin + random.choice((0, 0, 1, 3, 8)))
    return data[:begin] + random.choice(_TOKENS) + data[end:]


def _with_lines(data: bytes, random: Random) -> bytes:
    """Repeats, removes or exchanges lines, or the cells of a line."""
    if random.random() < 0.5:
        lines, joint = data.split(b"\n"), b"\n"
        return joint.join(_shuffled(lines, random))
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    joint = random.choice((b",", b"=", b";"))
    lines[place] = joint.join(_shuffled(lines[place].split(joint), random))
    return b"\n".join(lines)


def _shuffled(parts: list[bytes], random: Random) -> list[bytes]:
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    kind = random.choice(("remove", "repeat", "exchange", "overwrite"))
    if kind == "remove":
        return parts[:one] + parts[one + 1 :]
    if kind == "repeat":
        return [*parts[:one], parts[other], *parts[one:]]
    parts = list(parts)
    if kind == "exchange":
        parts[one], parts[other] = parts[other], parts[one]
    else:
        parts[one] = parts[other]
    return parts


def _changed(value: Any, random: Random) -> Any:
    """A JSON value with one change at some depth."""
    if not isinstance(value, list | dict) or not value or random.random() < 0.1:
        return _value(random)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    if random.random() < 0.6:
        value[key] = _changed(value[key], random)
    elif random.random() < 0.4:
        del value[key]
    elif isinstance(value, dict):
        name = random.choice((*_TEXTS, *map(str, keys)))
        value[name] = value.pop(key) if random.random() < 0.5 else _value(random)
    else:
        value.insert(key, _value(random))
    return value


def _value(random: Random) -> Any:
    return copy.deepcopy(random.choice(_VALUES))
