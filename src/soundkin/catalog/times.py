"""Times as people and programs write them, told apart a column at a time, never a cell at a time.

Numbers of a column are all in one form: Unix seconds, milliseconds, microseconds or nanoseconds, told apart
by their size, or dates without separators (`20210501`, `202105011053`, `202105`, `2021`). Dates in words or
ISO 8601 may be next to either. UTC where no zone is given. What could be read in two ways is rejected.
"""

import logging
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd

from soundkin.catalog.table_io import reject_rows

log = logging.getLogger(__name__)

FIRST, LAST = pd.Timestamp("1970-01-01", tz="UTC"), pd.Timestamp("2100-12-31 23:59:59", tz="UTC")
HINT = "Write Unix seconds, or a date such as 2021-05-01T18:30:00Z, or leave the cell empty."
YEAR, MONTH, DAY = r"(?:19[7-9]\d|20\d\d)", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
CLOCK = r"(?:[01]\d|2[0-3])[0-5]\d"
DATES = {  # numbers that are dates, and how to read them
    "years": (YEAR, "%Y"),
    "months (202105)": (YEAR + MONTH, "%Y%m"),
    "dates (20210501)": (YEAR + MONTH + DAY, "%Y%m%d"),
    "dates (202105011053)": (YEAR + MONTH + DAY + CLOCK, "%Y%m%d%H%M"),
    "dates (20210501105320)": (YEAR + MONTH + DAY + CLOCK + r"[0-5]\d", "%Y%m%d%H%M%S"),
}
UNITS = {"Unix seconds": "s", "Unix milliseconds": "ms", "Unix microseconds": "us", "Unix nanoseconds": "ns"}
EARLY_SECONDS = 1e8  # before 1973 a number of seconds is no likelier than something else
LAST_SECONDS = LAST.timestamp()
DAY_NUMBERS = (3653, 73050)  # of 1980 as counted from 1970, of 2100 as spreadsheets count
NUMBER = r"[+-]?\d+(?:[.,]\d*)?(?:[eE][+-]?\d+)?"
ROUNDED = r"\d(?:[.,]\d{1,6})?[eE]\+?\d+"  # 1.62E+12, as a spreadsheet shows a long number: months are lost
EITHER_WAY = r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b.*"
WORD_DATES = [
    f"{date}{clock}{zone}"
    for date in ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y")
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
    for zone in ("", " %z")
]


def read_times(frame: pd.DataFrame, source: str, column: str) -> "pd.Series[pd.Timestamp]":
    """A column of text as datetime64[ns, UTC] from 1970 to 2100, NaT where empty; rejects all else."""
    text = frame[column].astype("str")
    numeric = text.str.fullmatch(NUMBER).fillna(False).to_numpy(bool)
    words = text.notna().to_numpy(bool) & ~numeric
    times = pd.Series(pd.NaT, frame.index, dtype="datetime64[ns, UTC]")
    if numeric.any():
        times[numeric] = _read_numbers(frame[numeric], source, column)
    if words.any():
        times[words] = _read_words(frame[words], source, column)
    return times


def read_unix_seconds(frame: pd.DataFrame, source: str, column: str) -> "pd.Series[float]":
    """As `read_times`, as float64 Unix seconds, NaN where empty."""
    seconds = (read_times(frame, source, column) - FIRST) / pd.Timedelta(seconds=1)
    return seconds.astype("float64")


def _read_numbers(frame: pd.DataFrame, source: str, column: str) -> "pd.Series[pd.Timestamp]":
    reject = partial(reject_rows, frame, source, column)
    text = frame[column].str.replace(",", ".")
    rounded = text.str.fullmatch(ROUNDED).to_numpy(bool)
    reject(rounded, "is not a time: a spreadsheet has rounded it", "Export the table again.")
    values = pd.to_numeric(text)
    reject(values < 0, "is before 1970", HINT)
    forms = _forms(text, values.to_numpy("float64"))
    reject(forms == "", "is not a time: in any unit it is after 2100", HINT)
    form = _common_form(frame, source, column, forms)
    if form in DATES:
        times = pd.to_datetime(text, format=DATES[form][1], utc=True, errors="coerce")
        reject(times.isna() & (values != 0), "is not a date", HINT)
        return times.astype("datetime64[ns, UTC]").fillna(FIRST)
    if form == "days":
        reject(values > 0, "is a number of days, as spreadsheets and databases count them", HINT)
    if form == "early seconds":
        log.warning("%s: %s is read as Unix seconds, all of them before 1973. Is that so?", source, column)
    unit = UNITS.get(form, "s")
    if values.dtype.kind == "f":  # fractions to a microsecond, which is what float64 holds
        values, unit = (values * {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}[unit]).round(), "us"
    moments = values.to_numpy("int64").astype(f"datetime64[{unit}]").astype("datetime64[ns]")
    return pd.Series(moments, frame.index).dt.tz_localize("UTC")


def _forms(text: "pd.Series[str]", values: np.ndarray) -> np.ndarray:
    """What each number looks like: a key of DATES or UNITS, `days`, `early seconds`, `0`, or ``."""
    forms = np.full(len(text), "", dtype=object)
    for step, unit in enumerate(UNITS):
        scale = 1000.0**step
        forms[(values >= EARLY_SECONDS * scale) & (values <= LAST_SECONDS * scale)] = unit
    forms[values < EARLY_SECONDS] = "early seconds"
    forms[(values >= DAY_NUMBERS[0]) & (values <= DAY_NUMBERS[1])] = "days"
    digits = text.str.len().to_numpy()
    for name, (pattern, date_format) in DATES.items():
        alike = np.flatnonzero(digits == len(FIRST.strftime(date_format)))
        forms[alike[text.iloc[alike].str.fullmatch(pattern).to_numpy(bool)]] = name
    forms[values == 0] = "0"
    return forms


def _common_form(frame: pd.DataFrame, source: str, column: str, forms: np.ndarray) -> str:
    """The form that all numbers of the column have; zero fits any of them."""
    counts = Counter(forms[forms != "0"].tolist())
    if not counts:
        return "Unix seconds"
    main = str(counts.most_common(1)[0][0])  # of equals the one that comes first
    if main == "early seconds" and not set(UNITS) & set(counts):
        return main  # numbers of all sizes below: some of them look like years by chance
    seconds = ("Unix seconds", "early seconds")
    odd = ~np.isin(forms.astype(str), ["0", main, *(seconds if main in seconds else ())])
    problem = f"is in another unit than row {frame.index[forms == main][0]}, which is in {main}"
    reject_rows(frame, source, column, odd, problem, HINT)
    return "Unix seconds" if main in seconds else main


def _read_words(frame: pd.DataFrame, source: str, column: str) -> "pd.Series[pd.Timestamp]":
    reject = partial(reject_rows, frame, source, column)
    text = frame[column].str.replace(r"\s+", " ", regex=True)
    either = text.str.fullmatch(EITHER_WAY).to_numpy(bool)
    two_ways = "is a date that can be read in two ways, day or month first"
    reject(either, two_ways, "Write it as 2021-05-01T18:30:00Z.")
    plain = text.str.replace(r"(?i)\s?\b(?:UTC|GMT|Z)$", "+00:00", regex=True)
    iso = plain.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", regex=True)
    times = pd.to_datetime(iso, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    words = plain.str.replace(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? ", "", case=False, regex=True)
    words = words.str.replace(",", "").str.replace("+00:00", " +0000").str.strip()
    for date_format in WORD_DATES:
        left = times.isna()
        if not left.any():
            break
        parsed = pd.to_datetime(words[left], format=date_format, utc=True, errors="coerce")
        times[left] = parsed.astype("datetime64[us, UTC]")
    reject(times.isna(), "is not a time", HINT)
    reject(times < FIRST, "is before 1970", HINT)
    reject(times > LAST, "is after 2100", HINT)
    return times.astype("datetime64[ns, UTC]")
