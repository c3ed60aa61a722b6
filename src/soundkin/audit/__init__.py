"""Whether labels, audio and judges can be trusted."""

from soundkin.extras import require

require("evaluate", "an audit")
