"""What checks annotated shapes while tests run: arrays only.

beartype would check every annotation, but it draws from the global random generator to do so,
and tests hold that untouched.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with arrays checked against their annotations, on the way in and out."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a type that is imported for checking types only
        return function
    arrays = {name: hint for name, hint in hints.items() if _is_array(hint)}
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            _check(arrays, name, value)
        result = function(*args, **kwargs)
        _check(arrays, "return", result)
        return result

    return checking if arrays else function


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _check(arrays: dict[str, Any], name: str, value: Any) -> None:
    if name in arrays and not isinstance(value, arrays[name]):
        raise TypeError(f"{name} is not {arrays[name]}: {value!r:.200}")
