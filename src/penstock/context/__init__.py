"""What a question is about: files read, put into a prompt, cut to size, and cited."""

from penstock.context.citations import Citation, citations
from penstock.context.files import File, Loaded, Skipped, load
from penstock.context.prompt import outside, parse, render
from penstock.context.split import Piece, split

__all__ = [
    "Citation",
    "File",
    "Loaded",
    "Piece",
    "Skipped",
    "citations",
    "load",
    "outside",
    "parse",
    "render",
    "split",
]
