"""Every page for every role: it comes, it is escaped, it carries what every answer must."""

import pytest

OPEN = ["/", "/sites/essonne", "/workloads", "/models", "/models/code-small", "/endpoints", "/playground"]
OPEN += ["/ledger", "/invoices", "/people"]
GUARDED = ["/switch", "/audit"]
OPERATORS = ["/switch/turn?scope=platform", "/switch/turn?scope=site&target=essonne"]


@pytest.mark.parametrize("path", OPEN + GUARDED + OPERATORS)
def test_operator_sees_every_page(cloud, path):
    answer = cloud.client("operator").get(path)
    assert answer.status_code == 200, answer.text
    assert "<h1" in answer.text
