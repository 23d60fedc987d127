"""Texts as vectors: what is alike in meaning points the same way.

`Embedder` is the port. `minilm` is the adapter for all-MiniLM-L6-v2 in 8 bits, on one core of this machine and without
the network; it needs the extra ``embeddings``. `similar` makes an embedder the second look of a compression.
"""

from penstock.embedding.minilm import MiniLM, minilm
from penstock.embedding.port import Embedder, Vector
from penstock.embedding.similar import similar

__all__ = ["Embedder", "MiniLM", "Vector", "minilm", "similar"]
