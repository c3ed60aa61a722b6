"""Training: the only room that knows Lightning and Hydra."""

from soundkin.extras import require

require("train", "training")
