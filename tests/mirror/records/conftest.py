import pytest

pytest.register_assert_rewrite("tests.mirror.records.contract", "tests.mirror.records.requests")
