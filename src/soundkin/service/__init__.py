"""HTTP and pages: words in, words out."""
