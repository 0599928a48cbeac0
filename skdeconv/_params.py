"""Parameters: validation, of which scikit-learn's is private, and random states."""

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = [
    "Interval",
    "RandomState",
    "StrOptions",
    "check_parameters",
    "draw_seed",
    "given",
]

RandomState = int | np.random.RandomState | None


def check_parameters(estimator) -> None:
    """Check constructor parameters against ``_parameter_constraints``."""
    constraints = estimator._parameter_constraints
    params = estimator.get_params(deep=False)
    validate_parameter_constraints(
        constraints,
        {name: params[name] for name in constraints},
        caller_name=type(estimator).__name__,
    )


def draw_seed(random_state: RandomState) -> int:
    """Draw a seed; ``None`` takes fresh entropy, not NumPy's global state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def given(**arguments):
    """Arguments that are not None: overrides of methods need not know the others."""
    return {name: value for name, value in arguments.items() if value is not None}
