"""What one member of a workload asks of one node: requests that ask the same are one shape.

A shape is what scores are cached by, so it holds nothing that tells two equal requests apart. Look
next at `arrays`.
"""

from dataclasses import dataclass

from bruk.model.errors import InvalidInput

WHOLE_MILLI = 1000
# In place of an amount of cores or memory: the part of the node that belongs to the devices asked for.
SHARE = -1


class ShapeInvalid(InvalidInput):
    """A request asks for an amount that no device or node could have."""

    code = "shape_invalid"


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """A class of equal requests.

    Attributes:
        cpu_milli: cores [thousandths], or ``SHARE``.
        memory_bytes: memory [bytes], or ``SHARE``.
        devices: devices, all on one node; 0 for work that needs cores alone.
        device_milli: of each device [thousandths]; less than 1000 shares one device with others.
        models: accelerator models that will do, sorted; empty means any.
    """

    cpu_milli: int
    memory_bytes: int
    devices: int
    device_milli: int = WHOLE_MILLI
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is not a request.

        Raises:
            ShapeInvalid: an amount is negative, a fraction is not between 1 and 1000, or a fraction
                of several devices is asked for.
        """
        if min(self.cpu_milli, self.memory_bytes) < SHARE or self.devices < 0:
            raise ShapeInvalid("Cores, memory and devices are counted from zero.")
        if self.devices and not 1 <= self.device_milli <= WHOLE_MILLI:
            raise ShapeInvalid(
                f"{self.device_milli} thousandths of a device cannot be had; ask for 1 to {WHOLE_MILLI}."
            )
        if self.devices > 1 and self.device_milli < WHOLE_MILLI:
            raise ShapeInvalid("Only one device can be shared; ask for whole devices, or for one.")

    @property
    def fractional(self) -> bool:
        """Whether it shares a device with others."""
        return self.devices == 1 and self.device_milli < WHOLE_MILLI

    @property
    def total_milli(self) -> int:
        """What it takes of all devices together [thousandths]."""
        return self.devices * self.device_milli
