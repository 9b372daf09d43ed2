"""Values that can be judged: plain data, whatever object a learner's function returned.

In the notebook a check calls the learner's function directly. In grading, the function runs in a
sandbox, and its values arrive as JSON: numbers, text, lists, tuples, dicts and arrays. Nothing is
unpickled or imported. Both ways go through `plain`, so that a check sees the same in both.
"""

import base64
import json
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()
DEEPEST = 8  # lists within lists
TEXT = 300  # characters of an object's or an error's description
LINES = 60  # of a traceback
BRACKETS, COMMAS = 200_000, 2_000_000  # in a text; arrays stand in it as base64, without either
LARGEST = 2**53  # whole number in a message from a stranger


@dataclass(frozen=True)
class Other:
    """Stands for an object that is no plain value, such as a tensor, an image or a path.

    Attributes:
        kind: the name of its type.
        text: how it prints, shortened.
        array: its numbers, if NumPy can read it as an array of numbers; else None.
    """

    kind: str
    text: str = ""
    array: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Failure:
    """What a function raised in place of returning a value. `stub`: the untouched task's error."""

    kind: str
    message: str
    lines: list = field(default_factory=list)
    stub: bool = False

    @property
    def words(self) -> str:
        """The error's type and the line of its message that says most, without a full stop."""
        lines = self.message.strip().splitlines() or ["no message"]
        inside_map = lines[0].startswith("in user code")  # TensorFlow lists the user's lines first
        line = lines[-1 if inside_map else 0].strip().removeprefix(f"{self.kind}: ").rstrip(".")
        return f"{self.kind}: {line if len(line) <= TEXT else line[:TEXT] + ' ...'}"


class Malformed(ValueError):
    """A message that is not what `encode` writes."""


def kind_of(value: Any) -> str:
    """Return the name of a value's type, also of one that an `Other` stands for."""
    return value.kind if isinstance(value, Other) else type(value).__name__


def as_array(value: Any) -> np.ndarray | None:
    """Return a value as an array of numbers, or None where it is none (parts of unequal shape)."""
    value = value.array if isinstance(value, Other) else value
    if isinstance(value, (list, tuple)):
        value = [as_array(part) for part in value]
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.name in DTYPES else None


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as None, bool, int, float, str, array, list, tuple, dict or `Other`."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray) and value.dtype.name in DTYPES:
        return np.asarray(value)
    if isinstance(value, np.generic) and value.dtype.name in DTYPES:
        return value.item()
    if depth < DEEPEST and isinstance(value, (list, tuple)):
        parts = [plain(part, depth + 1) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if depth < DEEPEST and isinstance(value, dict):
        return {_key(key): plain(part, depth + 1) for key, part in value.items()}
    return Other(type(value).__name__, _text(value), _numbers(value))


def _key(key):
    key = plain(key)
    return key if type(key) in (int, str) else _text(key)


def _text(value):
    try:
        return str(value)[:TEXT]
    except Exception:  # whatever an object's __str__ raises
        return ""


def _numbers(value):
    try:
        array = np.asarray(value)
    except Exception:  # whatever an object's __array__ raises
        return None
    return array if array.dtype.name in DTYPES else None


def attempt(probe: Callable, function: Callable, *arguments, **options) -> Any:
    """Return the plain value of `probe(function, *arguments, **options)`, or a `Failure`."""
    try:
        return plain(probe(function, *arguments, **options))
    except Exception as error:
        stub = isinstance(error, NotImplementedError) and not error.args
        return Failure(type(error).__name__, str(error)[: 10 * TEXT], _lines(error), stub)


def _lines(error):
    """The traceback without the frames of the checks, which say nothing to a learner."""
    here, trace = str(Path(__file__).parent), error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(error.with_traceback(trace)))
    return text.splitlines()[-LINES:]


# --- As text ------------------------------------------------------------------------------------


def encode(value: Any) -> str:
    """Return a plain value, `Other` or `Failure` as one line of JSON."""
    return json.dumps(_pack(value))


def decode(text: str) -> Any:
    """Return the value that a line of JSON stands for. It may come from a stranger.

    Raises:
        Malformed: the text is not what `encode` writes.
    """
    try:
        if text.count("[") + text.count("{") > BRACKETS or text.count(",") > COMMAS:
            raise Malformed("far too many parts")
        return _unpack(json.loads(text, parse_int=_whole))
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise Malformed(f"{type(error).__name__}: {error}"[:TEXT]) from error


def _pack(value):
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": [value.dtype.name, list(value.shape), data]}
    if isinstance(value, list):
        return [_pack(part) for part in value]
    if isinstance(value, tuple):
        return {"tuple": [_pack(part) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(part)] for key, part in value.items()]}
    if isinstance(value, Other):
        return {"other": [value.kind, value.text, _pack(value.array)]}
    if isinstance(value, Failure):
        return {"failure": [value.kind, value.message, value.lines, value.stub]}
    return value


def _unpack(packed, depth=0):
    if depth > 2 * DEEPEST:
        raise Malformed("nested too deep")
    if isinstance(packed, list):
        return [_unpack(part, depth + 1) for part in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, parts),) = packed.items()
    if kind == "array":
        return _array(*parts)
    if kind == "tuple":
        return tuple(_unpack(part, depth + 1) for part in parts)
    if kind == "dict":
        if not all(type(key) in (str, int) for key, _ in parts):
            raise Malformed("a key that is neither text nor a whole number")
        return {key: _unpack(part, depth + 1) for key, part in parts}
    if kind == "other":
        name, text, array = parts
        return Other(str(name)[:TEXT], str(text)[:TEXT], array and _unpack(array, depth + 1))
    if kind == "failure":
        name, message, lines, stub = parts
        lines = [str(line)[: 4 * TEXT] for line in lines[-LINES:]]
        return Failure(str(name)[:TEXT], str(message)[: 10 * TEXT], lines, stub is True)
    raise Malformed(f"a value of the unknown kind {kind!r}")


def _whole(digits):
    if len(digits) > 20 or abs(int(digits)) > LARGEST:
        raise Malformed("a whole number that is far too large")
    return int(digits)


def _array(dtype, shape, data):
    if dtype not in DTYPES or not all(type(n) is int and n >= 0 for n in shape):
        raise Malformed("not an array of numbers")
    data = base64.b64decode(data, validate=True)
    if len(data) != np.dtype(dtype).itemsize * math.prod(shape):
        raise Malformed("an array of another size than its shape says")
    return np.frombuffer(data, dtype).reshape(shape).copy()
