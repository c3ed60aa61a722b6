"""Tracks and what is known of them: tables, labels, splits, ratings, triplets, and the tags of a music
folder.
"""
