"""Checks that any restorer, operator and network should pass; for third parties too."""

from skdeconv.testing._networks import check_network
from skdeconv.testing._operators import check_adjoint, example_operators
from skdeconv.testing._restorers import (
    check_restorer,
    example_restorers,
    parametrize_restorers,
)

__all__ = [
    "check_adjoint",
    "check_network",
    "check_restorer",
    "example_operators",
    "example_restorers",
    "parametrize_restorers",
]
