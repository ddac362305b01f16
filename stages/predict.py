"""Make the masks of the test images, write submission.csv in the competition's form, read it back and check it.

Reads data/raw, data/model/ensemble.json, data/test_probabilities, what computed data/probabilities, and
data/postprocess.json; writes data/submission.csv and metrics/predict.json. No network runs.
"""

from stages.dataset import images, sample_submission, submission
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.inference import engines, ensemble
from stages.inference.probabilities import Cache
from stages.pipeline import outputs, parallel, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.postprocessing import rules_file
from stages.postprocessing.rules import label_map


def predict() -> None:
    """Run the stage."""
    options = settings.load()
    layout = Layout.of(options.competition)
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
    _report_extra(sample.images)
    _check_engines()
    rules = rules_file.read(paths.RULES).rules
    cache = Cache(paths.TEST_PROBABILITIES)
    sizes = ImageSizes(paths.TEST_IMAGES, ImageNames(images.listing(paths.TEST_IMAGES)), layout)
    progress = bar(sample.images, "predict")
    label_maps = parallel.in_order(
        lambda image: label_map(cache[image].restored(layout, sizes.of(image)), rules), progress
    )
    submission.write(paths.SUBMISSION, sample, label_maps, options.predict.form)
    counts = submission.check(paths.SUBMISSION, sample, options.predict.form, sizes.scored)
    masks = masks_by_class(counts, layout)
    members = ensemble.read(paths.MODEL).members
    unscored = sum(member.fold is None for member in members)
    outputs.write_metrics(
        paths.PREDICT_METRICS,
        {"images": counts["images"], "masks": masks, "networks": len(members), "unscored_networks": unscored},
    )
    by_class = ", ".join(f"{name} {count}" for name, count in masks.items())
    print(f"predict: {counts['images']} images, {counts['masks']} masks ({by_class}), checked: {paths.SUBMISSION}")
    if unscored:
        print(f"predict: {unscored} of {len(members)} networks were trained on every fold; evaluate leaves them out")
    if not sample.images:
        print(f"predict: {paths.SAMPLE_SUBMISSION} holds only its header: the notebook (stage kernel) fills it in")
    elif not counts["masks"]:
        print("predict: every mask is empty: the network has collapsed; this scores the same as an empty submission")


def _check_engines() -> None:
    """See that the rules were chosen on probabilities of the same engine, precision and views: only such are scored.

    Raises:
        UserError: they were not.
    """
    folders = paths.TEST_PROBABILITIES.parent, paths.PROBABILITIES
    ours, other = (" ".join(map(str, engines.read(folder))) for folder in folders)
    if ours != other:
        raise UserError(
            f"{paths.TEST_PROBABILITIES.parent}: expected probabilities by {other}, as those that the rules were "
            f"chosen on, found some by {ours}: run dvc repro --force infer infer_test on one machine, or state "
            "inference.engine and inference.precision in params.yaml"
        )


def masks_by_class(counts: dict[str, int], layout: Layout) -> dict[str, int]:
    """How many masks of each class `submission.check` has counted; of any class, where rows name none."""
    if layout.metric.joined:
        return {"any_class": counts["masks"]}
    return {name: counts[f"class_{number}"] for number, name in enumerate(layout.classes, start=1)}


def _report_extra(wanted: list[str]) -> None:
    names = ImageNames(images.listing(paths.TEST_IMAGES))
    extra = sorted(names.files - {names.file(image) for image in wanted})
    if extra:
        print(
            f"predict: {len(extra)} test image(s) are not in {paths.SAMPLE_SUBMISSION} and left out, such as {extra[0]}"
        )


if __name__ == "__main__":
    stage.run(predict, __doc__)
