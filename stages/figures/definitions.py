"""One sentence for each figure, in the words of docs/figures.md, which a test compares."""

DICE = "Dice is twice the pixels in both masks, divided by the pixels of the true plus those of the predicted mask"

# By name as in metrics/evaluation.json; `found` and `false_alarms` are the verdict's.
DEFINITIONS = {
    "score": "the competition's score, by competition.metric",
    "mean_dice": "mean Dice over all pairs of image and class; a pair where both masks are empty counts 1",
    "positive_mean_dice": (
        "mean Dice over the pairs that have a true mask, of each class; then the mean over the classes"
    ),
    "positive_dice": "mean Dice over the pairs that have a true mask",
    "all_empty_score": "the competition's score of predicting nothing",
    "all_empty_mean_dice": "every pair without a true mask counts 1, every other 0",
    "without_postprocessing": (
        "if each pixel got its most probable class where that has at least level 128 of 255, the first above "
        "probability 1/2"
    ),
    "pixel_accuracy": (
        "share of all pixels that got their true class, the background included; high for any network, because most "
        "pixels are background"
    ),
    "mean_iou": "mean IoU over the classes and the background",
    "precision": "share of the pixels predicted as the class that belong to it",
    "recall": "share of the class's pixels that are predicted as it",
    "mean_precision": "share of the pixels predicted as the class that belong to it; the mean over the classes",
    "mean_recall": "share of the class's pixels that are predicted as it; the mean over the classes",
    "f1": "harmonic mean of precision and recall; Dice of all pixels together",
    "iou": "pixels in both masks, divided by those in either",
    "found": "share of the pairs of image and class with a true mask whose predicted mask overlaps it",
    "false_alarms": "pairs without a true mask that got a predicted one",
}
