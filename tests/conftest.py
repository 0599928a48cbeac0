"""Settings of the whole test session."""

import os

# scikit-learn checks array API support only where SciPy is told of it before import.
os.environ["SCIPY_ARRAY_API"] = "1"

import matplotlib as mpl

mpl.use("Agg")
