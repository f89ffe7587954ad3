import pytest

# The contract's assertions are in the library.
pytest.register_assert_rewrite("scheduling.testing.providers")
