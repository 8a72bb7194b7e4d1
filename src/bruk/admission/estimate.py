"""The most that something may cost, before it starts.

Used for reservations and for what the CLI shows before a submit. It must never promise less than
what can be billed: everything is rounded up. Power and carbon figures come from the caller, who has
them from `facility`.
"""

from dataclasses import dataclass

from bruk.admission.tariff import NegativeQuantity, PriceBook, Quote
from bruk.model.ledger import Resource
from bruk.model.workload import Resources

MS_PER_S = 1000
J_PER_KWH = 3_600_000


@dataclass(frozen=True, slots=True)
class JobEstimate:
    """Upper bounds for one attempt of a job that runs to its time limit.

    Attributes:
        device_ms: devices times time limit [device-ms].
        amount_microeur: most that it can cost, metering intervals included [EUR * 1e-6].
        energy_j: at the given power throughout [J].
        carbon_mg: at the given intensity throughout [mg CO2e].
    """

    accelerator: str
    device_ms: int
    price_microeur: int
    price_version: int
    amount_microeur: int
    energy_j: int
    carbon_mg: int


def job_estimate(
    book: PriceBook,
    resources: Resources,
    accelerator: str,
    time_limit_ms: int,
    at_ms: int,
    *,
    facility_power_w: int = 0,
    carbon_g_per_kwh: int = 0,
    intervals: int = 1,
) -> JobEstimate:
    """The most that one attempt may cost and use.

    A price that changes while the job runs applies to what is used afterwards; the estimate knows
    the price at ``at_ms`` alone.

    Args:
        time_limit_ms: longest that it may run [ms]
        at_ms: when its price is looked up [ms]
        facility_power_w: of all its devices with their share of node and cooling [W]
        carbon_g_per_kwh: intensity of the site's grid zone [g CO2e/kWh]
        intervals: in how many ledger entries its use may be metered; each is rounded by itself and
            may add half a micro-euro

    Raises:
        PriceMissing: the accelerator has no price.
        NegativeQuantity: a time, power or intensity is below zero.
    """
    if min(time_limit_ms, facility_power_w, carbon_g_per_kwh) < 0:
        raise NegativeQuantity(
            f"A time limit of {time_limit_ms} ms, {facility_power_w} W and {carbon_g_per_kwh} g/kWh cannot be"
            " below zero. Check the job and the site's figures.",
            time_limit_ms=time_limit_ms,
            facility_power_w=facility_power_w,
            carbon_g_per_kwh=carbon_g_per_kwh,
        )
    assert intervals >= 1, "use is metered at least once"
    quote = book.quote(Resource.DEVICE_TIME, accelerator, at_ms)
    device_ms = resources.devices_total * time_limit_ms
    energy_j = _up(facility_power_w * time_limit_ms, MS_PER_S)
    rounding_microeur = intervals // 2 if quote.price_microeur else 0
    return JobEstimate(
        accelerator=accelerator,
        device_ms=device_ms,
        price_microeur=quote.price_microeur,
        price_version=quote.version,
        amount_microeur=quote.bound_microeur(device_ms) + rounding_microeur,
        energy_j=energy_j,
        carbon_mg=_up(energy_j * carbon_g_per_kwh * 1000, J_PER_KWH),
    )


@dataclass(frozen=True, slots=True)
class RequestBound:
    """The most that one inference request may use and cost."""

    tokens_in: int
    tokens_out: int
    amount_microeur: int


def prompt_tokens_bound(prompt_bytes: int, messages: int = 1, extra_per_message: int = 16) -> int:
    """The most tokens that a prompt can become under a byte-level tokenizer.

    Such a tokenizer makes at most one token of each byte of UTF-8; a chat template adds a few per
    message, and one message's worth opens the answer.

    Args:
        prompt_bytes: of all texts in UTF-8 [bytes]
        messages: in the conversation
        extra_per_message: most that the template adds to each [tokens]
    """
    assert min(prompt_bytes, messages, extra_per_message) >= 0, "lengths are not negative"
    return prompt_bytes + (messages + 1) * extra_per_message


def request_bound(
    price_in: Quote, price_out: Quote, prompt_bound: int, max_tokens: int | None, context_tokens: int
) -> RequestBound:
    """The most that a request may cost.

    A prompt longer than the context is refused by the engine, so neither side can exceed it.

    Args:
        price_in, price_out: of a million tokens
        prompt_bound: most tokens that the prompt can become [tokens]
        max_tokens: that the request allows for its answer; None means as far as the context goes
        context_tokens: longest prompt plus answer of the endpoint [tokens]

    Raises:
        NegativeQuantity: a number of tokens is below zero.
    """
    tokens_in = min(prompt_bound, context_tokens)
    tokens_out = context_tokens if max_tokens is None else min(max_tokens, context_tokens)
    return RequestBound(
        tokens_in,
        tokens_out,
        price_in.bound_microeur(tokens_in) + price_out.bound_microeur(tokens_out),
    )


def request_amount_microeur(price_in: Quote, price_out: Quote, tokens_in: int, tokens_out: int) -> int:
    """What a request cost: two ledger amounts, each rounded by itself [EUR * 1e-6].

    Raises:
        NegativeQuantity: a number of tokens is below zero.
    """
    return price_in.amount_microeur(tokens_in) + price_out.amount_microeur(tokens_out)


def _up(quantity: int, divisor: int) -> int:
    return -(-quantity // divisor)
