"""All files and folders that stages exchange, relative to the repository's root, where DVC runs the stages."""

from pathlib import Path

PARAMS = Path("params.yaml")

RAW = Path("data/raw")  # in the competition's layout, as downloaded
TRAIN_TABLE = RAW / "train.csv"
TRAIN_IMAGES = RAW / "train_images"
TEST_IMAGES = RAW / "test_images"
SAMPLE_SUBMISSION = RAW / "sample_submission.csv"
DOWNLOAD_STATE = Path("data/kaggle")  # to resume a download; not an output, git-ignored, removed on success
DOWNLOAD_METRICS = Path("metrics/download.json")

EXPLORE_METRICS = Path("metrics/explore.json")
EXPLORE_PICTURES = Path("metrics/explore")
EXPLORE_TEXT = Path("data/explore.txt")  # what the stage prints

PREPARED = Path("data/prepared")  # read by training and evaluation: see stages/dataset/prepared.py
FOLDS_TABLE = PREPARED / "folds.csv"  # of this run, to be copied to KEPT_FOLDS
KEPT_FOLDS = Path("kept_folds.csv")  # in git: see stages/dataset/kept_folds.py
PREPROCESS_METRICS = Path("metrics/preprocess.json")
CHECK_DATA_METRICS = Path("metrics/check_data.json")
CHECK_DATA_TEXT = Path("data/check_data.txt")  # what the stage prints

PSEUDO = Path("data/pseudo")  # test images labelled by networks: see stages/dataset/pseudo_labels.py
PSEUDO_METRICS = Path("metrics/pseudo_label.json")

MODEL = Path("data/model")  # SavedModels: fold_0, … (one per validation fold), final, blend_0/fold_0, …
ENSEMBLE = MODEL / "ensemble.json"  # describes the networks: see stages/inference/ensemble.py
TRAIN_METRICS = Path("metrics/train.json")
TRAIN_CURVES = Path("metrics/train")  # written by DVCLive
TRAIN_STATE = Path("data/state")  # unfinished and finished trainings, by fingerprint; not an output, git-ignored

QUANTIZED = Path("data/quantized")  # networks in int8: see stages/inference/quantized.py
QUANTIZE_METRICS = Path("metrics/quantize.json")

PROBABILITIES = Path("data/probabilities")  # see stages/inference/probabilities.py
VALIDATION_PROBABILITIES = PROBABILITIES / "validation"  # of each image, by the networks that did not train on it
HELD_OUT_PROBABILITIES = PROBABILITIES / "held_out"
NOTEBOOK_PROBABILITIES = PROBABILITIES / "notebook"  # of the held-out fold, as the Kaggle notebook computes them
TEST_PROBABILITIES = Path("data/test_probabilities/images")
INFER_METRICS = Path("metrics/infer.json")
INFER_TEST_METRICS = Path("metrics/infer_test.json")

RULES = Path("data/postprocess.json")  # see stages/postprocessing/rules_file.py
POSTPROCESS_METRICS = Path("metrics/postprocess.json")
RELIABILITY_TABLE = Path("metrics/reliability.csv")

EXPECTED_DICE = Path("data/expected_dice.json")  # see stages/postprocessing/expectation_file.py
EXPECTED_DICE_METRICS = Path("metrics/expected_dice.json")

EVALUATION_METRICS = Path("metrics/evaluation.json")
CONFUSION_TABLE = Path("metrics/confusion.csv")
IMAGES_TABLE = Path("metrics/images.csv")
PRESENCE_TABLE = Path("metrics/presence.csv")
CLASSES_TABLE = Path("metrics/classes.csv")
PRECISION_RECALL_TABLE = Path("metrics/precision_recall.csv")
PREDICTED_MASKS = Path("data/predicted.csv")  # of the held-out fold, run-length encoded
EVALUATION_PICTURES = Path("metrics/evaluation")

SUBMISSION = Path("data/submission.csv")
PREDICT_METRICS = Path("metrics/predict.json")
KERNEL = Path("data/kernel")  # the notebook and its data set, for competitions that accept no CSV file
JOURNAL = Path("data/submitted.json")  # what has been sent to Kaggle; not an output, git-ignored
LEADERBOARD = Path("metrics/leaderboard.csv")  # one row per submission; written by submit, not by a stage

# What DVC or a stage empties. Nothing that the user owns may lie in it, or around it.
REMOVED = (
    RAW, DOWNLOAD_STATE, EXPLORE_PICTURES, PREPARED, PSEUDO, MODEL, TRAIN_CURVES, TRAIN_STATE, QUANTIZED,
    PROBABILITIES, TEST_PROBABILITIES.parent, EVALUATION_PICTURES, KERNEL,
)  # fmt: skip

# What git, DVC and the stages read as it lies there: no new file may appear in it.
PROJECT = (Path(".git"), Path(".dvc"), Path("stages"), Path("metrics"))

PLOT_TEMPLATES = Path(".dvc/plots")  # Vega-Lite, for dvc plots and the report
REPORT = Path("data/report.html")
