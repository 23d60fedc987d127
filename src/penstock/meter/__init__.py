"""The meter: how many tokens a call has, what they cost, and what is held before it is sent.

Nothing is loaded before it is needed: neither a vocabulary nor the price catalogue.
"""

from penstock.meter.book import PriceBook, processing_of
from penstock.meter.factors import Factor, Factors
from penstock.meter.models import FALLBACK_WINDOW, family, image_tokens, output_limit
from penstock.meter.overlay import DISCOUNTS, FREE
from penstock.meter.quotes import Quote, fit, quote, unbounded
from penstock.meter.rates import Processing, Rates, Tier, price
from penstock.meter.tallies import KINDS, Kind, Tally, tally
from penstock.meter.tokens import Counter, Encoding, by_size, count, encoding_for

__all__ = [
    "DISCOUNTS",
    "FALLBACK_WINDOW",
    "FREE",
    "KINDS",
    "Counter",
    "Encoding",
    "Factor",
    "Factors",
    "Kind",
    "PriceBook",
    "Processing",
    "Quote",
    "Rates",
    "Tally",
    "Tier",
    "by_size",
    "count",
    "encoding_for",
    "family",
    "fit",
    "image_tokens",
    "output_limit",
    "price",
    "processing_of",
    "quote",
    "tally",
    "unbounded",
]
