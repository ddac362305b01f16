from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.pipeline import settings
from tests.support.parameters import Load, parameters


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads `parameters()` with some changed, given as `{"train.epochs": 3}`; `...` removes the key."""

    def changed(changes: dict[str, Any]) -> settings.Settings:
        content = parameters()
        for key, value in changes.items():
            *sections, name = key.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[name] = value
            if value is ...:
                del place[name]
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return settings.load(path)

    return changed
