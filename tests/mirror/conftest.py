"""What the tests of this room share: contracts fail with their values shown."""

import pytest

pytest.register_assert_rewrite("tests.mirror.blobs_contract")
