"""Where what is shipped lies, in a checkout and in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parent
_SHIPPED = PACKAGE / "shipped"
ROOT = _SHIPPED if _SHIPPED.is_dir() else PACKAGE.parent.parent
MANIFESTS = ROOT / "manifests"
REFERENCES = ROOT / "reference_results"
ASSETS = PACKAGE / "assets"
CALIBRATION = ROOT / "benchmark" / "calibration"
