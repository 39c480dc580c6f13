from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Holdfast]:
    """An app without job types, on a store of its own."""
    app = Holdfast(data_dir=str(tmp_path))
    yield app
    app.close()
