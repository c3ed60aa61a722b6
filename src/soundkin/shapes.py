"""Array types with axis names; `typechecked` holds functions to them under pytest and costs nothing
otherwise.

Axes: batch, samples, mels, frames, features (after a convolution), patches, embedding, tracks, classes.
"""

import os
from collections.abc import Callable
from typing import TypeVar

from jaxtyping import Bool, Float, Float32, Int, UInt8, jaxtyped

__all__ = ["Bool", "Float", "Float32", "Int", "UInt8", "typechecked"]

Function = TypeVar("Function", bound=Callable[..., object])


def typechecked(function: Function) -> Function:
    """Check shapes and types at every call when SOUNDKIN_TYPECHECK=1 (the tests set it)."""
    if os.environ.get("SOUNDKIN_TYPECHECK") != "1":
        return function
    from beartype import beartype

    return jaxtyped(typechecker=beartype)(function)
