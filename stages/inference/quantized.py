"""`quantized.json`, which quantize writes beside the quantised networks in data/quantized: what each was made from.

data/quantized/
    quantized.json        for each network the SHA-256 of its files, and of those of the network that it was made from
    fold_0/network.xml    as OpenVINO reads it, with its weights in network.bin
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.inference.ensemble import Ensemble
from stages.pipeline import hashes
from stages.pipeline.cli import UserError

FILE = "quantized.json"
AGAIN = "run dvc repro quantize"
DAMAGED = "run dvc repro --force quantize"

Checksums = dict[str, str]


@dataclass(frozen=True)
class QuantizedNetwork:
    """One network.

    Attributes:
        sha256: of its files, by their names in its folder.
        made_from: SHA-256 of the files of the network that train wrote, by their paths in data/model.
    """

    sha256: Checksums
    made_from: Checksums


def write(folder: Path, saved: Ensemble, networks: list[str]) -> None:
    """Write quantized.json into the folder of these networks, which are complete; without any, it says "none"."""
    content = {
        name: {
            "sha256": {file.name: hashes.sha256(file) for file in sorted((folder / name).iterdir())},
            "made_from": _files_of(saved, name),
        }
        for name in networks
    }
    text = json.dumps({"networks": content or "none"}, indent=2)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, QuantizedNetwork]:
    """Read quantized.json: the networks by their folders in data/model.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))["networks"]
        return {name: _network(one) for name, one in ({} if content == "none" else content).items()}
    except FileNotFoundError:
        raise UserError(f"{folder}: expected what quantize writes, with {FILE}, found none: {AGAIN}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{folder / FILE}: expected what quantize writes, found a damaged file: {DAMAGED}") from None


def check_files(folder: Path, networks: dict[str, QuantizedNetwork], saved: Ensemble, name: str) -> None:
    """See that a quantised network is the one that quantize wrote, from the weights at hand.

    Args:
        folder: of the quantised networks.
        networks: what `read` returned for it.
        saved: the networks that train wrote.
        name: the folder of one of them.

    Raises:
        UserError: there is none, it was made from other weights, or one of its files is missing or another.
    """
    network = networks.get(name)
    if network is None or network.made_from != _files_of(saved, name):
        found = "none" if network is None else "one made from other weights"
        raise UserError(f"{folder / name}: expected the int8 network of {name} in the ensemble, found {found}: {AGAIN}")
    for file, expected in network.sha256.items():
        path = folder / name / file
        if not (path.is_file() and hashes.sha256(path) == expected):
            raise UserError(f"{path}: expected the file that quantize wrote, found another or none: {DAMAGED}")


def _files_of(saved: Ensemble, name: str) -> Checksums:
    return {file: checksum for file, checksum in saved.sha256.items() if file.startswith(f"{name}/")}


def _network(content: Any) -> QuantizedNetwork:
    """One network, from JSON.

    Raises:
        TypeError: a value has another type than `write` gives it.
    """
    network = QuantizedNetwork(**content)
    for checksums in (network.sha256, network.made_from):
        # Empty ones would let any file pass.
        if not isinstance(checksums, dict) or not checksums or not all(isinstance(v, str) for v in checksums.values()):
            raise TypeError("sha256 or made_from")
    return network
