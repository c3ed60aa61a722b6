"""Wrong keys and values are answered with the nearest right one."""

import pytest
from pydantic import Field

from soundkin.config import Config, validate
from soundkin.errors import ConfigError


class Inner(Config):
    learning_rate: float = Field(0.1, gt=0)


class Outer(Config):
    inner: Inner = Inner()
    maybe: Inner | None = None
    epochs: int = 1


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"inner\.learning_rte is unknown\. Did you mean learning_rate\?"):
        validate(Outer, {"inner": {"learning_rte": 1}})
    with pytest.raises(ConfigError, match=r"maybe\.learn_rate is unknown\. Did you mean learning_rate\?"):
        validate(Outer, {"maybe": {"learn_rate": 1}})


def test_a_wrong_type_names_key_value_and_expectation() -> None:
    with pytest.raises(ConfigError, match="config epochs='ten' should be a whole number"):
        validate(Outer, {"epochs": "ten"})
    with pytest.raises(ConfigError, match=r"inner\.learning_rate=-1 should be greater than 0"):
        validate(Outer, {"inner": {"learning_rate": -1}})
    with pytest.raises(ConfigError, match=r"^query inner=3 should be a mapping\.$"):
        validate(Outer, {"inner": 3}, noun="query")
    with pytest.raises(ConfigError, match=r"epochs='x{79} \.\.\. should be"):
        validate(Outer, {"epochs": "x" * 10_000})


def test_the_hash_follows_the_content() -> None:
    assert Outer().content_hash() == Outer(epochs=1).content_hash()
    assert Outer().content_hash() != Outer(epochs=2).content_hash()
