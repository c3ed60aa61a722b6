"""Whether vectors are any good: protocols put questions to all systems, `protocol` sets the answers side by
side.
"""

from soundkin.extras import require

require("evaluate", "evaluation")
