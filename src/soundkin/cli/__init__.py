"""Words in, words out: reads arguments, calls a pipeline, prints what it returns."""
