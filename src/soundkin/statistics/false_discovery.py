"""P values of many comparisons, and which of them hold when all are counted."""

from soundkin.extras import require

require("evaluate", "false discovery rates")

import numpy as np
from scipy.stats import false_discovery_control, t

from soundkin.shapes import Bool, Float, typechecked

FALSE_DISCOVERIES = 0.05  # the share of those named that may be expected to be named by chance


@typechecked
def p_value(difference: float, draws: Float[np.ndarray, " draws"], units: int) -> float:
    """How often a difference as large would come by chance, were there none: two-sided, by Student's t.

    The standard error is the deviation of the bootstrap's draws, and `units`, less one, the degrees of
    freedom: so many independent artists (or users) stand behind the smaller side.
    """
    error = float(np.nanstd(draws)) if len(draws) else 0.0
    if error == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return float(2 * t.sf(abs(difference) / error, max(units - 1, 1)))


@typechecked
def confirmed(p_values: Float[np.ndarray, " comparisons"]) -> Bool[np.ndarray, " comparisons"]:
    """Which are left by the procedure of Benjamini & Hochberg (1995), at `FALSE_DISCOVERIES`."""
    if not len(p_values):
        return np.zeros(0, dtype=bool)
    return np.asarray(false_discovery_control(p_values, method="bh") <= FALSE_DISCOVERIES)
