"""Label the test images by the networks of another experiment, to train on them too; without an experiment, nothing.

Reads data/raw/test_images and data/prepared, and networks from DVC's cache; writes data/pseudo and
metrics/pseudo_label.json. Each network of train.folds gets labels by networks that were validated on the same fold, and
have seen neither its masks nor the held-out ones. Test images that are near-duplicates of held-out images, or of images
of that validation fold, are left out, and so are images of which the networks are unsure.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.dataset import images, label_maps, pseudo_label_writer, related
from stages.dataset.prepared import Dataset
from stages.dataset.pseudo_label_writer import SetWriter, StoredImages
from stages.dataset.pseudo_labels import set_name
from stages.inference import averaging, blend, labelling
from stages.inference.averaging import Network
from stages.pipeline import outputs, parallel, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.postprocessing.rules import label_map, plain


@dataclass(frozen=True)
class Asked:
    """What params.yaml asks for."""

    options: settings.PseudoLabel
    inference: settings.Inference
    folds: tuple[int | None, ...]  # of the networks that get labels; None: that of train.final
    duplicate_correlation: float
    group_by: str | None


def pseudo_label() -> None:
    """Run the stage."""
    loaded = settings.load()
    asked = Asked(
        loaded.pseudo_label,
        loaded.inference,
        (*loaded.train.folds, *([None] if loaded.train.final else [])),
        loaded.preprocess.duplicate_correlation,
        loaded.preprocess.group_by,
    )
    with outputs.folder(paths.PSEUDO) as folder:
        metrics = label(asked, asked.options.experiment, folder) if asked.options.experiment else nothing(folder)
    outputs.write_metrics(paths.PSEUDO_METRICS, metrics)


def nothing(folder: Path) -> dict[str, Any]:
    """Write an empty set; returns the metrics."""
    pseudo_label_writer.write_summary(folder, None, {}, {})
    print("pseudo_label: pseudo_label.experiment is null: no test image is labelled")
    return {"images": 0}


def label(asked: Asked, experiment: str, folder: Path) -> dict[str, Any]:
    """Write the labels for every network; returns the metrics.

    Raises:
        UserError: there are no test images, no networks that may label, or no image of which they are sure.
    """
    where = f"params.yaml: pseudo_label: experiment: {experiment}"
    files = [paths.TEST_IMAGES / name for name in images.listing(paths.TEST_IMAGES)]
    if not files:
        raise UserError(
            f"{where}: expected images in {paths.TEST_IMAGES}, found none (in some competitions they exist only where "
            "the notebook runs): set it to null, and train.pseudo_share to 0"
        )
    data, brought = Dataset(paths.PREPARED), folder / "networks"
    networks = blend.fetch(experiment, brought, data.summary, where)
    members = {fold: labelling.labelling(networks, fold, where) for fold in asked.folds}  # before hours of work
    labellers = labelling.Labellers(brought, networks, labelling.engine(asked.inference))
    stored = _stored(files, data, folder)
    folds_of = related.folds_of(data, stored.names, stored.signatures, asked.duplicate_correlation, asked.group_by)
    metrics: dict[str, Any] = labellers.engine.metrics | {"images": len(files)}
    for fold in asked.folds:
        name, scored_on = set_name(fold), {fold, data.held_out}
        free = [number for number, folds in enumerate(folds_of) if not folds & scored_on]
        found = write_set(asked, stored, free, labellers.of(members[fold]), folder / name)
        metrics[name] = found | {"near_duplicates": len(files) - len(free), "networks": len(members[fold])}
        _report(name, metrics[name], len(files), where)
    shutil.rmtree(brought)
    names = {set_name(fold): [member.folder for member in of] for fold, of in members.items()}
    pseudo_label_writer.write_summary(folder, experiment, data.summary, names)
    return metrics


def _stored(files: list[Path], data: Dataset, folder: Path) -> StoredImages:
    try:
        return StoredImages(files, data.layout, folder)
    except images.ImageError as error:
        raise UserError(str(error)) from None


def write_set(
    asked: Asked, stored: StoredImages, numbers: list[int], networks: list[Network], folder: Path
) -> dict[str, Any]:
    """Label these images, and write those of which the networks are sure; returns how many there are.

    Pixels get a class from probability 1/2. The rules of postprocess are not applied: they are chosen on the masks of
    all validation folds.
    """
    layout, options = stored.layout, asked.inference
    rules = plain(layout.number_of_classes, layout.overlapping)
    writer, with_class = SetWriter(folder, stored), dict.fromkeys(layout.classes, 0)
    progress = bar(numbers, f"pseudo_label: {folder.name}")
    predictions = averaging.of_images(
        networks,
        parallel.in_order(stored.image, progress),
        layout,
        options.batch_size,
        averaging.Views(options.flips, options.scales),
    )
    kept = 0
    for number, prediction in zip(numbers, predictions, strict=True):
        confidence = labelling.confidence(prediction.pixels)
        if confidence < asked.options.confidence:
            continue
        labels = label_map(prediction, rules)
        writer.add(number, labels, confidence)
        kept += 1
        for class_id in label_maps.present(labels):
            with_class[layout.classes[class_id - 1]] += 1
    writer.close()
    return {"labelled": kept, "unsure": len(numbers) - kept, "with_class": with_class}


def _report(name: str, found: dict[str, Any], count: int, where: str) -> None:
    """Print what became of the test images.

    Raises:
        UserError: none is left.
    """
    said = f"{found['near_duplicates']} near-duplicates of images that are scored, {found['unsure']} unsure"
    if not found["labelled"]:
        raise UserError(
            f"{where}: {name}: expected test images of which its networks are sure, found none among {count} ({said}): "
            "a lower pseudo_label.confidence takes more"
        )
    print(f"pseudo_label: {name}: {found['labelled']} of {count} test images labelled; left out: {said}")


if __name__ == "__main__":
    stage.run(pseudo_label, __doc__)
