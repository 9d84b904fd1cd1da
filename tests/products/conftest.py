"""What the products are tested with: the same as the provider."""

from __future__ import annotations

from tests.providers.conftest import desk  # noqa: F401 - fixture
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
