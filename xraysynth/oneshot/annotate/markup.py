"""Plain HTML elements, named for people who do not see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui


def text_in(tag: str, text: str) -> ui.element:
    """Return an element that holds text."""
    element = ui.element(tag)
    element._text = text
    return element


def set_text(element: ui.element, text: str) -> None:
    """Replace the text in an element."""
    element._text = text
    element.update()


def button(text: str, act: Callable[..., Any], title: str) -> ui.element:
    """Return a plain button."""
    pressed = text_in("button", text).on("click", act)
    pressed.props["title"] = title
    pressed.props["type"] = "button"
    return pressed


def enable(pressed: ui.element, on: bool) -> None:
    """Let a button be pressed, or not."""
    if on:
        pressed.props.pop("disabled", None)
    else:
        pressed.props["disabled"] = True
    pressed.update()
