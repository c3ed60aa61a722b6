"""HTTP and pages: words in, words out."""

from soundkin.extras import require

require("serve", "serving over HTTP")
