"""The only importer of scikit-learn's private parameter validation."""

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = ["HasMethods", "Interval", "StrOptions", "check_parameters"]


def check_parameters(estimator) -> None:
    """Check constructor parameters against ``_parameter_constraints``."""
    constraints = estimator._parameter_constraints
    params = estimator.get_params(deep=False)
    validate_parameter_constraints(
        constraints,
        {name: params[name] for name in constraints},
        caller_name=type(estimator).__name__,
    )
