"""Images stored as PNG, for sets whose pixels would fill the disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import preprocess
from stages.dataset import encoded_store
from stages.dataset.encoded_store import EncodedStore, EncodedWriter
from stages.dataset.prepared import Dataset
from tests.conftest import draw_competition

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_images_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Without loss, in their order, grey or red first."""
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    writer = EncodedWriter(tmp_path / "images.npy")
    for image in images:
        writer.append(encoded_store.encode(image))
    writer.close()
    store = EncodedStore(tmp_path / "images.npy", shape)
    assert (len(store), store.height, store.width) == (3, 4, 6)
    for position, image in enumerate(images):
        np.testing.assert_array_equal(store[position], image)


def test_only_large_sets_are_encoded() -> None:
    """Severstal's 12,568 images are stored as pixels; 192,556 colour images of 768×768 are not."""
    assert not encoded_store.worth_encoding(12_568, (256, 1600))
    assert encoded_store.worth_encoding(192_556, (768, 768, 3))


def test_what_is_stored_does_not_change_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole preprocessing, as pixels and as PNG: the same images, labels, truth and digest."""
    draw_competition(tmp_path / "data/raw")
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parameters["competition"] |= {"image_height": 32, "image_width": 64}
    parameters["preprocess"]["folds"] = 3
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = []
    for most in (encoded_store.MOST_PIXELS, 0):
        monkeypatch.setattr(encoded_store, "MOST_PIXELS", most)
        preprocess.preprocess()
        data = Dataset(Path("data/prepared"))
        arrays = [
            (data.images[n].tobytes(), data.labels[n].tobytes(), data.truth(data.index[n]).tobytes()) for n in range(12)
        ]
        found.append((arrays, json.dumps(data.summary)))
    assert EncodedStore.exists(Path("data/prepared/images.npy"))
    assert found[0] == found[1]
