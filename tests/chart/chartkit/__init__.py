"""What the chart's tests share: the programs, the schemas, and how a render is read."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "scheduling"
EXAMPLES = ROOT / "examples" / "kubernetes"

KUBERNETES = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
"""The versions that the chart is tested for, without their patch number."""

VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
