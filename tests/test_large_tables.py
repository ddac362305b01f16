"""A table of ten million rows: memory does not grow with it, neither where it is read nor where it is checked."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tiny

ROWS = 10_000_000
IMAGES = 12_568  # that there are; the other rows are faults, of which ten are kept

pytestmark = pytest.mark.prove

# Prints how many rows came out and by how many bytes the peak memory grew (`ru_maxrss` is in kB, on macOS in bytes).
SCRIPT = """
import resource, sys
from pathlib import Path
from stages.dataset import tables, validation
from stages.dataset.image_names import ImageNames
from stages.dataset.layout import Layout
table, images = Path(sys.argv[2]), {f"image_{number:07d}.jpg" for number in range(int(sys.argv[3]))}
layout = Layout.unnamed(4, 256, 1600)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, faults = peak(), validation.Faults()
checked = validation.masks(table, ImageNames(images), layout, faults)
rows = checked if sys.argv[1] == "checks" else tables.read(table, layout)
print(sum(1 for _ in rows), faults.count, peak() - before)
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rows per image, two and a half million images, 400 MB."""
    path = tmp_path_factory.mktemp("large") / "train.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("ImageId,ClassId,EncodedPixels\n")
        for number in range(ROWS):
            start = number % 400_000 + 1
            file.write(f"image_{number // 4:07d}.jpg,{number % 4 + 1},{start} 3 {start + 8} 20\n")
    return path


@pytest.mark.parametrize(("what", "valid"), [("read", ROWS), ("checks", 4 * IMAGES)])
def test_memory_is_flat(table: Path, what: str, valid: int) -> None:
    """Less than 64 MB for ten million rows, six bytes a row; the table alone has forty."""
    command = [sys.executable, "-c", SCRIPT, what, str(table), str(IMAGES)]
    result = subprocess.run(command, cwd=tiny.ROOT, text=True, capture_output=True, check=True)
    rows, faults, grown = map(int, result.stdout.split())
    assert (rows, faults) == (valid, 0 if what == "read" else ROWS - valid)
    assert grown < 64e6
