"""Quantise the networks to int8, if `inference.precision` asks for it, and compare their Dice with that in float32.

Reads data/prepared and data/model; writes data/quantized and metrics/quantize.json. Activations are measured on images
of the validation folds, never on held-out or test images. Both networks are scored on these folds, without flips and
post-processing; where the quantised ones lose too much, nothing is written. With any other precision, data/quantized
says "none".
"""

from typing import Any

from stages.dataset.prepared import Dataset
from stages.inference import averaging, ensemble, quantization, quantized
from stages.inference.engines import Engine
from stages.inference.networks import Networks
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.postprocessing.rules import plain
from stages.postprocessing.scored import score
from stages.scoring import evaluation

MOST = 0.002  # validation Dice that may be lost
TITLES = {"mean_dice": "validation Dice", "positive_mean_dice": "validation Dice where there is a mask"}


def quantize() -> None:
    """Run the stage."""
    options, saved = settings.load(), ensemble.read(paths.MODEL)
    batch_size, folds, precision = options.inference.batch_size, options.train.folds, options.inference.precision
    if precision != "int8":
        with outputs.folder(paths.QUANTIZED) as folder:
            quantized.write(folder, saved, [])
        outputs.write_metrics(paths.QUANTIZE_METRICS, {"networks": 0})
        print(f"quantize: inference.precision is {precision}: no network is quantised")
        return
    data = Dataset(paths.PREPARED)
    samples = quantization.calibration(data, folds)
    names = [member.folder for member in saved.members]
    with outputs.folder(paths.QUANTIZED) as folder:
        for name in bar(names, "quantize", unit="networks"):
            ensemble.check_files(paths.MODEL, saved, name)
            quantization.quantize(paths.MODEL / name, data, samples, folder / name)
        quantized.write(folder, saved, names)
        engines = (Networks(Engine("openvino", "float32")), Networks(Engine("openvino", "int8"), folder))
        figures = {networks.engine.precision: _dice(networks, data, folds, batch_size) for networks in engines}
        counts = {"networks": len(names), "calibration_images": len(samples)}
        outputs.write_metrics(paths.QUANTIZE_METRICS, counts | figures)
        check(figures["float32"], figures["int8"])
    print(f"quantize: {len(names)} network(s), calibrated on {len(samples)} images: {paths.QUANTIZED}")
    for name, title in TITLES.items():
        exact, rounded = (_format(figures[kind][name]) for kind in ("float32", "int8"))
        print(f"quantize: {title}: {exact} in float32, {rounded} in int8")


def check(exact: dict[str, float | None], rounded: dict[str, float | None]) -> None:
    """See that int8 costs little. Mean Dice alone can hide a loss: on clean images, rounding may remove false alarms.

    Args:
        exact: figures in float32, by the names in `TITLES`; None where they are undefined.
        rounded: those in int8.

    Raises:
        UserError: it costs more than `MOST`.
    """
    for name, title in TITLES.items():
        before, after = exact[name], rounded[name]
        if before is not None and after is not None and round(before - after, 6) > MOST:
            raise UserError(
                f"params.yaml: inference: precision: int8 lost {before - after:.4f} of {title} ({before:.4f} -> "
                f"{after:.4f}), more than {MOST}: set inference.precision to float32 or bfloat16"
            )


def _dice(networks: Networks, data: Dataset, folds: tuple[int, ...], batch_size: int) -> dict[str, Any]:
    """Figures of the validation folds, each by the networks that were not trained on it."""
    rules, found = plain(len(data.classes), data.layout.overlapping), []
    for fold in folds:
        loaded = networks.of(networks.ensemble.of_fold(fold))
        samples = data.fold(fold)
        title = f"quantize: fold {fold} in {networks.engine.precision}"
        images = (data.image(sample) for sample in bar(samples, title))
        predictions = averaging.of_images(loaded, images, data.layout, batch_size)
        for sample, prediction in zip(samples, predictions, strict=True):
            restored = prediction.restored(data.layout, sample.size)
            found.append(score(sample, restored, data.truth(sample), rules)[0])
    figures = evaluation.headline(found)
    return {name: figures[name] for name in TITLES}


def _format(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    stage.run(quantize, __doc__)
