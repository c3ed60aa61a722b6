"""From a trained network to vectors on disk: the model bundle, the embedder, the embeddings folder.

Nothing is imported here, so that reading embeddings (`store`) needs no torch.
"""
