"""Constants and types that the tests against the stand-in for kaggle.com share."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLUG = "severstal-steel-defect-detection"
HEADER = "ImageId,EncodedPixels,ClassId\n"
NAMES = [f"test_{number}.jpg" for number in range(3)]
BIG = os.urandom(3 << 20)  # large enough that a download takes several pieces

Stage = Callable[..., subprocess.CompletedProcess[str]]
Call = Callable[..., str]
