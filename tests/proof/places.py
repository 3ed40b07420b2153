"""Where the harness of the integration tests is: imported first by every proof that uses it. A proof may run for
an hour beside other work, so its waits are longer than those of tests; they stay bounded."""
import os
import pathlib
import sys

os.environ.setdefault("MEMFERRY_TEST_DEADLINE_S", "120")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
