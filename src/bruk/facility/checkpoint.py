"""How often a run should write a checkpoint, given how long one takes and how often something fails.

Advice only: a run writes when its program does. The failure rates of large fleets stand in
`bruk/data/failures.csv`.
"""

import math

_MS_PER_DAY = 86_400_000


def checkpoint_interval_ms(write_ms: int, mtbf_ms: int) -> int:
    """Work between two checkpoints that loses the least time: tau = sqrt(2 w M) - w.

    Source: J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future
    Generation Computer Systems 22 (2006) 303-312, doi:10.1016/j.future.2004.11.016, first-order form. It is
    meant for w well below M; where it is no longer positive (w of 2 M and more), M itself is the answer, as
    in Daly's higher-order form.

    Args:
        write_ms: w, the time one checkpoint takes, zero or more [ms].
        mtbf_ms: M, the mean time between failures of the run, above zero [ms].

    Returns:
        tau, at least 1 [ms].
    """
    assert write_ms >= 0, "writing takes zero time or more"
    assert mtbf_ms > 0, "the mean time between failures is above zero"
    if write_ms >= 2 * mtbf_ms:
        return mtbf_ms
    return max(1, math.isqrt(2 * write_ms * mtbf_ms) - write_ms)


def run_mtbf_ms(node_mtbf_ms: int, nodes: int) -> int:
    """Mean time between failures of a gang, any of whose nodes ends it: M / n for independent failures.

    Args:
        node_mtbf_ms: mean time between failures of one node, above zero [ms].
        nodes: nodes of the gang, at least 1.

    Returns:
        at least 1 [ms].
    """
    assert node_mtbf_ms > 0, "the mean time between failures is above zero"
    assert nodes >= 1, "a gang has at least one node"
    return max(1, node_mtbf_ms // nodes)


def node_mtbf_ms(failures_per_1000_node_days: float) -> int:
    """Mean time between failures of one node, from a fleet's failure rate.

    Args:
        failures_per_1000_node_days: above zero [1/(1000 d)].

    Returns:
        [ms].
    """
    assert failures_per_1000_node_days > 0, "a failure rate is above zero"
    return round(1000 * _MS_PER_DAY / failures_per_1000_node_days)
