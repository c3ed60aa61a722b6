"""Pictures of what a model hears, and the page that gathers them: arrays and plain values in, PNG and HTML
out.
"""
