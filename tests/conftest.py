"""Settings of the whole test session."""

import os

# scikit-learn checks array API support only where SciPy is told of it before import.
os.environ["SCIPY_ARRAY_API"] = "1"
# Workers of joblib and the tests' own process share the cores.
os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")
