"""Every file and folder that one stage hands to another, seen from the repository's root, where DVC runs them."""

from pathlib import Path

PARAMS = Path("params.yaml")

RAW = Path("data/raw")  # the competition's own layout, as downloaded
TRAIN_TABLE = RAW / "train.csv"
TRAIN_IMAGES = RAW / "train_images"
TEST_IMAGES = RAW / "test_images"
SAMPLE_SUBMISSION = RAW / "sample_submission.csv"
DOWNLOAD_STATE = Path("data/kaggle")  # to resume a cut download; no output, git-ignored, removed on success
DOWNLOAD_METRICS = Path("metrics/download.json")

EXPLORE_METRICS = Path("metrics/explore.json")
EXPLORE_PICTURES = Path("metrics/explore")

PREPARED = Path("data/prepared")  # what training and evaluation read: see stages/competition/prepared.py
PREPROCESS_METRICS = Path("metrics/preprocess.json")

MODEL = Path("data/model")  # one SavedModel a validation fold: fold_0, …
TRAIN_METRICS = Path("metrics/train.json")
TRAIN_CURVES = Path("metrics/train")  # written by DVCLive
TRAIN_STATE = Path("data/state")  # to resume a killed training; no output, git-ignored, removed on success

EVALUATION_METRICS = Path("metrics/evaluation.json")
CONFUSION_TABLE = Path("metrics/confusion.csv")
IMAGES_TABLE = Path("metrics/images.csv")
CLASSES_TABLE = Path("metrics/classes.csv")
PRECISION_RECALL_TABLE = Path("metrics/precision_recall.csv")
PREDICTED_MASKS = Path("data/predicted.csv")  # of the held-out fold, as run lengths
EVALUATION_PICTURES = Path("metrics/evaluation")

SUBMISSION = Path("data/submission.csv")
PREDICT_METRICS = Path("metrics/predict.json")
KERNEL = Path("data/kernel")  # the notebook and its data set, for competitions that take no CSV
JOURNAL = Path("data/submitted.json")  # what has been sent to Kaggle; no output, git-ignored
LEADERBOARD_METRICS = Path("metrics/leaderboard.json")  # of submitted experiments alone; git-ignored elsewhere

PLOT_TEMPLATES = Path(".dvc/plots")  # Vega-Lite, for dvc plots and the report
REPORT = Path("data/report.html")
