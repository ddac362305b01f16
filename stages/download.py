"""Bring the competition's data into data/raw: the built-in sample, a folder or zip, or Kaggle's archive.

Writes data/raw in one form, whatever the competition (see stages/dataset/archive.py), and metrics/download.json with
source, size and SHA-256. DVC does not watch a path outside the repository: when its contents change, `dvc repro --force
download` reads it again. A download from Kaggle that was interrupted continues where it stopped: the parts are in
data/kaggle until the stage has succeeded.
"""

import shutil
from pathlib import Path

from stages.dataset import archive
from stages.dataset.layout import Layout
from stages.kaggle import client
from stages.pipeline import cli, outputs, paths, settings, stage
from stages.synthetic import generate


def download() -> None:
    """Run the stage."""
    options = settings.load()
    source = options.download.source
    paths.RAW.parent.mkdir(parents=True, exist_ok=True)
    with outputs.folder(paths.RAW) as folder:
        digest = archive.digest(_fetch(options, folder))
    if source == "kaggle":
        shutil.rmtree(paths.DOWNLOAD_STATE, ignore_errors=True)
    outputs.write_metrics(paths.DOWNLOAD_METRICS, {"source": source, "size": digest.size, "sha256": digest.sha256})
    title = {"sample": "the built-in sample", "kaggle": f"Kaggle, {options.competition.slug}"}.get(source, source)
    print(f"download: source: {title}; {digest.size:,} bytes, SHA-256 {digest.sha256[:16]}…")


def _fetch(options: settings.Settings, folder: Path) -> Path:
    """Fill `folder`. Returns what the digest is taken of: the file that was read, or `folder` itself."""
    source, files = options.download.source, Layout.of(options.competition).files
    if source == "sample":
        counts = options.download.sample_train_images, options.download.sample_test_images
        generate.generate(folder, *counts, options.seed)
        return folder
    if source == "kaggle":
        staging = paths.DOWNLOAD_STATE / options.competition.slug
        staging.mkdir(parents=True, exist_ok=True)
        found = client.Client(options.competition.slug).download(staging)
        try:
            archive.copy(found, folder, f"the archive of {options.competition.slug}", files)
        except cli.UserError as error:
            raise cli.UserError(
                f"{error} (the archive is {found}, whole as far as its checksums tell, and is kept: "
                "remove it to download it again)"
            ) from None
        return found
    found = Path(source).expanduser()
    archive.copy(found, folder, f"params.yaml: download: source: {source}", files)
    return found if found.is_file() else folder


if __name__ == "__main__":
    stage.run(download, __doc__)
