"""The networks in data/model, or those that quantize has made of them, as an engine runs them."""

from pathlib import Path

from stages.inference import engines, ensemble, quantized
from stages.inference.averaging import Network
from stages.inference.engines import Engine
from stages.inference.ensemble import EnsembleMember
from stages.pipeline import paths


class Networks:
    """Networks by their place in the ensemble; each is checked and loaded when it is first asked for.

    Args:
        engine: what runs them.
        folder: of the quantised networks, which int8 needs.

    Raises:
        UserError: there is no ensemble or, for int8, there are no quantised networks; or their description is damaged.
    """

    def __init__(self, engine: Engine, folder: Path = paths.QUANTIZED) -> None:
        self.engine = engine
        self.ensemble = ensemble.read(paths.MODEL)
        self._folder = folder
        self._quantized = quantized.read(folder) if engine.precision == "int8" else None
        self._loaded: dict[str, Network] = {}

    def of(self, members: list[EnsembleMember]) -> list[Network]:
        """The networks of these members, in order.

        Raises:
            UserError: one is missing, damaged or not the one that was written.
        """
        new = [member.folder for member in members if member.folder not in self._loaded]
        places = {folder: self._checked(folder) for folder in new}  # all of them, before the first is loaded
        for folder, place in places.items():
            self._loaded[folder] = engines.load(self.engine.name, place, self.engine.precision)
        return [self._loaded[member.folder] for member in members]

    def _checked(self, folder: str) -> Path:
        """Where a network is, which is the one that was written."""
        if self._quantized is not None:
            quantized.check_files(self._folder, self._quantized, self.ensemble, folder)
            return self._folder / folder
        ensemble.check_files(paths.MODEL, self.ensemble, folder)
        return paths.MODEL / folder
