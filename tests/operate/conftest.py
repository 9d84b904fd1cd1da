"""Workers in this process, and a sandbox to ask."""

from __future__ import annotations

from tests.engine.conftest import another_pool, employ  # noqa: F401 - fixtures
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.web.conftest import site  # noqa: F401 - fixture
