"""Numbers and dates as people write them into cells of text."""

import re
from decimal import Decimal, InvalidOperation

NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?(?:0,\d+|\d+,(?!\d{3}$)\d+)")
CODE = re.compile(r"[+-]?0\d")  # 007 is another than 7
DATE = re.compile(r"\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:?\d\d.*)?)?")
YEAR = re.compile(r"\d{4}")


def number(text: str) -> Decimal | None:
    """What a cell such as ` 120 `, `1e3`, `-inf` or `120,5` says; None where it is no number.

    `1,200` is none: it may be a thousand and more, or one and a fifth. Nor is `nan`.
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return None


def is_number(text: str) -> bool:
    """Whether `number` reads it."""
    return number(text) is not None


def is_date(text: str) -> bool:
    """Whether this is an ISO date, by its month at least: 2001-05, 2001-05-31, 2001-05-31T10:00."""
    return DATE.fullmatch(text) is not None


def is_year(text: str) -> bool:
    """Whether this number may be a year, and so the beginning of a date."""
    return YEAR.fullmatch(text) is not None


def is_date_or_year(text: str) -> bool:
    """What can stand in a column of dates: 2001 as well as 2001-05-31."""
    return is_date(text) or is_year(text)


def is_other_number(text: str) -> bool:
    """Whether this is a number that is no year."""
    return is_number(text) and not is_year(text)


def same_number(one: str, other: str) -> bool:
    """Whether two cells say the same number: 1990 and 1990.0, but not 7 and 007."""
    if CODE.match(one.strip()) or CODE.match(other.strip()):
        return False
    ours = number(one)
    return ours is not None and ours == number(other)
