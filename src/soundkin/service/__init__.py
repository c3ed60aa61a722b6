"""HTTP and pages: words in, words out."""

from soundkin.extras import require

require("serve", "the page of soundkin assess")
