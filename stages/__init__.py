"""From a Kaggle segmentation competition's archive to a scored model and a valid submission.

`dvc.yaml` is the table of contents: each of its stages is the module of the same name in this folder.
"""
