"""Segment the test images and write data/submission.csv in the competition's form.

Reads data/raw and data/model; writes data/submission.csv and metrics/predict.json.
"""

from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.command import UserError
from stages.competition import images, submission
from stages.network import inference, segmentation


def predict() -> None:
    """Run the stage."""
    options = settings.load()
    competition = options.competition
    classes, height, width = len(competition.classes), competition.image_height, competition.image_width
    sample = submission.template(paths.SAMPLE_SUBMISSION, classes)
    _tell_extra(sample.images)
    networks = [inference.load(paths.MODEL / f"fold_{fold}") for fold in options.train.folds]
    files = [paths.TEST_IMAGES / name for name in sample.images]
    progress = tqdm(files, "predict", unit=" images", disable=None)
    label_maps = segmentation.label_maps(
        networks, progress, (height, width), options.inference.batch_size, options.inference.flips
    )
    try:
        submission.write(paths.SUBMISSION, sample, label_maps, options.predict.form, classes)
    except images.ImageError as error:
        raise UserError(str(error)) from None
    counts = submission.check(paths.SUBMISSION, sample, options.predict.form, classes, height, width)
    masks = {name: counts[f"class_{number}"] for number, name in enumerate(competition.classes, start=1)}
    outputs.write_metrics(paths.PREDICT_METRICS, {"images": counts["images"], "masks": masks})
    told = ", ".join(f"{name} {count}" for name, count in masks.items())
    print(f"predict: {counts['images']} images, {counts['masks']} masks ({told}), checked: {paths.SUBMISSION}")
    if not counts["masks"]:
        print("predict: every mask is empty: the network has collapsed, this scores what submitting nothing does")


def _tell_extra(wanted: list[str]) -> None:
    extra = sorted(set(images.listing(paths.TEST_IMAGES)) - set(wanted))
    if extra:
        print(
            f"predict: {len(extra)} test image(s) are not in {paths.SAMPLE_SUBMISSION} and left out, such as {extra[0]}"
        )


if __name__ == "__main__":
    command.run(predict, __doc__)
