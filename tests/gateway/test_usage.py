"""Usage as the gateway writes it is what control reads."""

from dataclasses import asdict, fields

from bruk.gateway.usage import Used, numbered, packed, unpacked
from bruk.wire.gateway import UsageRecord

USED = Used(
    *("req", 5, 4, "key", "acme/lab", "model", "ep", "run", "essonne", 3, 4, 10, 1, 20, 2, "complete", False)
)


def test_it_has_the_fields_of_the_wires_record() -> None:
    assert ["seq", *(field.name for field in fields(Used))] == list(UsageRecord.model_fields)


def test_what_is_packed_is_read_back_and_taken_by_control() -> None:
    assert unpacked(packed(USED)) == USED
    record = UsageRecord.model_validate_json(numbered(7, packed(USED)))
    assert record.model_dump() == {"seq": 7, **asdict(USED)}
