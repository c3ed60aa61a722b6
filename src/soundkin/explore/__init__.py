"""Pictures of what a model learnt, and pages that show them: plain values in, PNG and HTML out."""
