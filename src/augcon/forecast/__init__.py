"""What a run should ask, cost and take: from the corpus alone, or from a few probe calls too."""

from augcon.forecast.expect import expect
from augcon.forecast.plan import Plan, Probes, Reach, make_plan
from augcon.forecast.rates import ASSUMED, Served

__all__ = ["ASSUMED", "Plan", "Probes", "Reach", "Served", "expect", "make_plan"]
