"""Neighbours: the FAISS index over embeddings, the tracks beside it, and the conditions that narrow a query.

Nothing is imported here, and nothing in this room imports torch or pandas: a query has to start quickly.
"""
