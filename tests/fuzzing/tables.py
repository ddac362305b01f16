"""Tables: training table, sample submission, submission, run lengths, the tables in metrics/, and colours."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from stages.commands import ablate, compare, score
from stages.conversion import class_rules
from stages.dataset import kept_folds, rle, sample_submission, submission, tables
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Columns, Files, Images, Layout, RunLengths, SubmissionForm
from stages.dataset.validation import Faults, masks
from stages.kaggle import leaderboard
from stages.kaggle.leaderboard import COLUMNS
from tests.fuzzing import changes
from tests.fuzzing.reader import Reader
from tests.fuzzing.second_reader import pixels

KIND = "tables"
HEIGHT, WIDTH = 6, 8
TABLE, SAMPLE = "train.csv", "sample_submission.csv"
NAMES = ["a.jpg", "b_1.jpg", "c.jpg"]

STEEL = Layout(("pit", "line"), HEIGHT, WIDTH)
RELATIVE = Layout(
    ("kidney",), HEIGHT, WIDTH,
    columns=Columns(image="id", class_id=None, image_and_class=None, runs="rle", instances=True),
    run_lengths=RunLengths("rows", "relative", ("-1",)),
    submission=SubmissionForm(rows="images", empty="-1"),
)  # fmt: skip
LABELLED = Layout(
    ("kidney", "lung"), HEIGHT, WIDTH, overlapping=True,
    files=Files(hidden_test=True),
    columns=Columns("id", "organ", None, "rle", "predicted", ("kidney", "lung_1")),
    run_lengths=RunLengths("rows", 0),
    images=Images(sizes="resized"),
    submission=SubmissionForm(rows="classes", height=HEIGHT, width=WIDTH),
)  # fmt: skip
PARTS = replace(RELATIVE, submission=SubmissionForm(rows="components"))

TRAINING = {
    "masks": (STEEL, "ImageId,ClassId,EncodedPixels\na.jpg,1,2 3 10 1\na.jpg,2,13 6\nb_1.jpg,1,48 1\nc.jpg,2,\n"),
    "pairs": (STEEL, "ImageId_ClassId,EncodedPixels\na.jpg_1,2 3\na.jpg_2,\nb_1.jpg_1,1 48\nb_1.jpg_2,\n"),
    "objects": (RELATIVE, "id,width,rle\na,8,1 3 2 4\na,8,0 2\nb_1,8,-1\nc,8,\n"),
    "labels": (LABELLED, 'rle,organ,id\n0 3,kidney,a\n"4 1 40 8",lung_1,a\n,kidney,b_1\n'),
}
SENT = {
    "masks": (STEEL, "ImageId,EncodedPixels,ClassId\na.jpg,1 48,0\nb_1.jpg,2 3,0\nc.jpg,,0\n"),
    "pairs": (STEEL, "ImageId_ClassId,EncodedPixels\na.jpg_1,2 3\na.jpg_2,\nb_1.jpg_1,1 48\nb_1.jpg_2,\n"),
    "images": (RELATIVE, "id,rle\na,1 3 2 4\nb_1,-1\nc,\n"),
    "classes": (LABELLED, "id,organ,predicted\na,kidney,0 3\na,lung_1,\nb_1,lung_1,2 2\nb_1,kidney,\n"),
    "parts": (PARTS, "id,rle\na,1 3\na,20 4\nb_1,\n"),
}


def plain_rows(path: Path) -> list[dict[str, str]]:
    """The rows by the names of their columns, by a reader of a few lines."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    return [dict(zip([name.strip(" ") for name in header], row, strict=True)) for row in rows]


def _differs(rows: list[tables.Row], path: Path, layout: Layout, runs: str) -> str | None:
    """How rows differ from those of the second reader."""
    columns, expected = layout.columns, []
    for cells in plain_rows(path):
        both = None if columns.image_and_class is None else cells.get(columns.image_and_class)
        image = cells[columns.image] if both is None else both.rpartition("_")[0]
        label = (
            cells[columns.class_id] if both is None and columns.class_id in cells else (both or "").rpartition("_")[2]
        )
        if label.endswith("1") and layout is LABELLED and both:
            image, label = both[: -len("_lung_1")], "lung_1"
        nameless = columns.class_id is None or (both is None and columns.class_id not in cells)
        class_id = 1 if nameless else 0 if label == "0" else layout.labels.index(label) + 1
        expected.append((image, class_id, cells[runs]))
    found = [(row.image, row.class_id, row.runs) for row in rows]
    return None if found == expected else f"expected {expected[:5]}, found {found[:5]}"


def training(layout: Layout) -> Callable[[Path], str | None]:
    """Read a training table, and draw its masks."""

    def read(folder: Path) -> str | None:
        path = folder / TABLE
        for _ in masks(path, ImageNames(NAMES), layout, Faults()):
            pass
        rows = list(tables.read(path, layout))
        drawn = [(row, rle.decode(row.runs, HEIGHT, WIDTH, layout.run_lengths)) for row in rows]
        for row, mask in drawn:
            if (expected := pixels(row.runs, HEIGHT, WIDTH, layout.run_lengths)) != mask.tolist():
                return f"{row.runs!r}: expected {expected}, found {mask.tolist()}"
        return _differs(rows, path, layout, layout.columns.runs)

    return read


def sample(layout: Layout) -> Callable[[Path], str | None]:
    """Read a sample submission, then the same file as a submission, and score it against itself."""

    def read(folder: Path) -> str | None:
        path = folder / SAMPLE
        template = sample_submission.read(path, layout)
        counts = submission.check(path, template, "sample", lambda image: (HEIGHT, WIDTH))
        rows = list(tables.read(path, layout, filler=True, sent=True))
        filled = [row for row in rows if row.class_id and row.runs.strip(" ") not in ("", "-1")]
        if (counts["images"], counts["masks"]) != (len({row.image for row in rows}), len(filled)):
            return f"expected {len(filled)} masks, found {counts}"
        if layout.images.sizes == "equal":
            score.predictions(path, ImageSizes(folder, ImageNames([]), layout))
        return _differs(rows, path, layout, layout.columns.sent_runs)

    return read


def run_lengths(folder: Path) -> str | None:
    """Read run lengths in every notation."""
    text = (folder / "runs.txt").read_bytes().decode("utf-8", "replace")
    refused = None
    for order in ("columns", "rows"):
        for first in (0, 1, "relative"):
            notation = RunLengths(order, first)
            try:
                mask = rle.decode(text, HEIGHT, WIDTH, notation).tolist()
            except rle.RunLengthError as error:
                refused = error
                continue
            if (expected := pixels(text, HEIGHT, WIDTH, notation)) != mask:
                return f"{text!r} in {notation}: expected {expected}, found {mask}"
    if refused is not None:
        raise refused
    return None


def images_table(folder: Path) -> str | None:
    """Read the scores of single images and the confusion matrix, and compare them with themselves."""
    found = compare.load("workspace")
    with (folder / "metrics/images.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    own = {(row["split"], row["image"], row["class"]): float(row["dice"]) for row in rows}
    for split, scores in found.scores.items():
        for image, dices in zip(scores.images, scores.dice.tolist(), strict=True):
            for name, dice in zip(scores.classes, dices, strict=True):
                if own[split, image, name] != dice and dice == dice:
                    return f"{split}, {image}, {name}: expected {own[split, image, name]}, found {dice}"
    compare.compare(["workspace"], ["workspace"])
    return None


def leaderboard_table(folder: Path) -> str | None:
    """Read the leaderboard's table."""
    found = leaderboard.read(folder / "metrics/leaderboard.csv")
    expected = [row["reference"] for row in plain_rows(folder / "metrics/leaderboard.csv")]
    return None if [each.reference for each in found] == expected else f"expected {expected}, found {found}"


def ablation_table(folder: Path) -> str | None:
    """Show the table of an ablation."""
    ablate.show()
    return None


def colours(folder: Path) -> str | None:
    """Read a table of colours."""
    names, found = class_rules.colours(folder / "colours.csv")
    wrong = [colour for colour in found if not all(0 <= level <= 255 for level in colour)]
    return f"impossible colours: {wrong}" if wrong or max(found.values(), default=0) > len(names) else None


def folds_table(folder: Path) -> str | None:
    """Read the folds that images keep."""
    path = folder / "kept_folds.csv"
    found = kept_folds.read(path, 3)
    kept = kept_folds.of(found, ["a.png", "new.png"], ["0123456789abcdef", ""], path)
    return None if set(kept.fold.tolist()) <= {-1, 0, 1, 2} else f"impossible folds: {kept.fold}"


IMAGES_TABLE = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection\n" + "".join(
    f"{split},{number}.jpg,{number},{name},{dice},10,10,{both}\n"
    for split in ("held_out", "validation")
    for number in range(3)
    for name, dice, both in (("pit", 0.5, 5), ("line", 1.0, 10))
)
CONFUSION = "actual,predicted,pixels,share\n" + "".join(
    f"{actual},{predicted},{number},0.5\n"
    for number, actual in enumerate(("background", "pit", "line"))
    for predicted in ("background", "pit", "line")
)
ABLATION = (
    "variant,compared_with,changed,seeds,mean_dice,positive_mean_dice,mean_dice_gain,mean_dice_low,mean_dice_high,"
    "positive_gain,positive_low,positive_high,seed_spread,verdict,held_out_mean_dice,held_out_positive_mean_dice,"
    "score,score_gain,score_low,score_high,held_out_score\n"
    "baseline,,,3,0.91,0.77,,,,,,,0.008,,,,,,,,\nother,baseline,train.loss=cce,3,0.9,0.7,-0.01,-0.02,0.01,,,,0.1,loss,,,,,,,\n"
)
METRICS = {"metrics/images.csv": IMAGES_TABLE.encode(), "metrics/confusion.csv": CONFUSION.encode()}

READERS = [
    *(
        Reader(
            f"training table of {name}",
            KIND,
            changes.table(text).map(changes.named(TABLE)),
            training(layout),
            (rle.RunLengthError,),
        )
        for name, (layout, text) in TRAINING.items()
    ),
    *(
        Reader(f"submission of {name}", KIND, changes.table(text).map(changes.named(SAMPLE)), sample(layout))
        for name, (layout, text) in SENT.items()
    ),
    Reader(
        "run lengths",
        KIND,
        st.one_of(
            changes.text(["1 2 5 3", "0 48", "3 1 7 2 40 2", ""]), st.text("0123456789 -+.,\n\t１").map(str.encode)
        ).map(changes.named("runs.txt")),
        run_lengths,
        (rle.RunLengthError,),
    ),
    Reader(
        "tables of metrics",
        KIND,
        changes.one_of_files(METRICS, {name: changes.table(text.decode()) for name, text in METRICS.items()}),
        images_table,
    ),
    Reader(
        "table of the leaderboard",
        KIND,
        changes.table(",".join(COLUMNS) + "\n2020-01-01,a,b,c,0.5,0.6,7,ff\n2020-01-01,a,b,c,0.5,,8,ff\n").map(
            changes.named("metrics/leaderboard.csv")
        ),
        leaderboard_table,
    ),
    Reader(
        "table of an ablation", KIND, changes.table(ABLATION).map(changes.named("metrics/ablation.csv")), ablation_table
    ),
    Reader(
        "table of colours",
        KIND,
        changes.table("255,0,0,pit\n#00ff00,line\n0,0,0,background\n").map(changes.named("colours.csv")),
        colours,
    ),
    Reader(
        "folds that images keep",
        KIND,
        changes.table("image,fold,content\na.png,0,0123456789abcdef\nb.png,2,00ff00ff00ff00ff\n'=c.png,1,\n").map(
            changes.named("kept_folds.csv")
        ),
        folds_table,
    ),
]
