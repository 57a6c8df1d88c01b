"""Every metric that a manifest may ask for has its section."""

import pytest
from docs_pages import ROOT, headings

from selfimp_bench.manifest.model import Metric
from selfimp_bench.protocols.verification.manifest import VerificationMetric


@pytest.mark.parametrize(("page", "metrics"), [("post-training", Metric), ("verification", VerificationMetric)])
def test_a_page_has_a_section_a_metric(page: str, metrics: type[Metric] | type[VerificationMetric]) -> None:
    sections = headings(ROOT / f"docs/reference/metrics/{page}.md")[1:]
    assert sorted(sections) == sorted(metric.value for metric in metrics)
