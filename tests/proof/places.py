"""Where the harness of the integration tests is: imported first by every proof that uses it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
