"""Prices, bounds, budgets and rates: whether something may begin, and what it came to.

Pure: time comes from the caller, nothing is stored. Used by gateway, control, estimates and batches
alike, so that all of them count in the same way. Begin at `tariff`.
"""

from bruk.admission.estimate import (
    JobEstimate,
    RequestBound,
    job_estimate,
    prompt_tokens_bound,
    request_amount_microeur,
    request_bound,
)
from bruk.admission.euro import euros
from bruk.admission.limits import Bucket, Limiter, RateLimited, Standing
from bruk.admission.reserve import Budget, ReservationConflict, Settlement
from bruk.admission.tariff import (
    NegativeQuantity,
    PriceBook,
    PriceConflict,
    Quote,
    amount_microeur,
    bound_microeur,
)

__all__ = [
    "Bucket",
    "Budget",
    "JobEstimate",
    "Limiter",
    "NegativeQuantity",
    "PriceBook",
    "PriceConflict",
    "Quote",
    "RateLimited",
    "RequestBound",
    "ReservationConflict",
    "Settlement",
    "Standing",
    "amount_microeur",
    "bound_microeur",
    "euros",
    "job_estimate",
    "prompt_tokens_bound",
    "request_amount_microeur",
    "request_bound",
]
