"""Segment photographs with the networks in this folder. Writes a label map for each as PNG.

    python example.py MASKS PHOTO…

A label map holds 0 for the background, else the place of the class in model.json: competition: classes, counted from 1.
Where classes may overlap, there is a mask per class, 255 inside.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def segment(target: Path, photographs: list[Path]) -> None:
    """Write the label map of each photograph into a folder, under the photograph's name."""
    import cv2

    from stages.dataset import label_maps
    from stages.exporting import exported
    from stages.pipeline.cli import UserError

    if len({photograph.stem for photograph in photographs}) < len(photographs):
        raise UserError("expected photographs of different names, found two whose masks would have the same")
    model = exported.load(HERE)  # checks every file against manifest.json first
    for photograph, labels in zip(photographs, model.label_maps(photographs), strict=True):
        target.mkdir(parents=True, exist_ok=True)
        masks = {name: label_maps.of_class(labels, number) for number, name in enumerate(model.layout.classes, 1)}
        pictures = {f"_{name}": mask * 255 for name, mask in masks.items()} if labels.ndim == 3 else {"": labels}
        for ending, picture in pictures.items():
            file = target / f"{photograph.stem}{ending}.png"
            if not cv2.imwrite(str(file), picture.astype("uint8")):
                raise UserError(f"{file}: cannot be written")
        found = (f"{name} {mask.sum():,} pixels" for name, mask in masks.items() if mask.any())
        print(f"{photograph}: {', '.join(found) or 'nothing found'}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE / "code"))
    from stages.pipeline import cli

    cli.guard("example", lambda: segment(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]))
