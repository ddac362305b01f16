"""How far new photographs lie from those that were trained on."""

import json

import numpy as np
import pytest

from stages.dataset import shift
from stages.pipeline.arrays import Float32
from stages.postprocessing.reference import Reference


def strips(images: int, seed: int, light: float = 0.0, contrast: float = 1.0) -> Float32:
    """The features of grey noise, darker or brighter by `light` grey levels."""
    rng = np.random.default_rng(seed)
    found = []
    for level in rng.normal(110, 10, images):
        grey = np.clip(level + light + contrast * rng.normal(0, 12, (32, 64)), 0, 255)
        found.append(shift.features(grey.astype(np.uint8)))
    return np.stack(found)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Of 100 images."""
    return Reference.of(strips(100, 0), 100)


def moved(reference: Reference, described: Float32) -> dict[str, shift.Difference]:
    """In what these photographs differ."""
    return {each.feature: each for each in reference.moved(described.mean(axis=0, dtype=np.float64), len(described))}


def test_photographs_of_the_same_kind(reference: Reference) -> None:
    """Other images of the same kind have not moved; a single one cannot tell."""
    assert moved(reference, strips(60, 1)) == {}
    assert moved(reference, strips(4, 1, light=60)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"), [({"light": 25.0}, "brightness"), ({"contrast": 1.6}, "texture across")]
)
def test_photographs_that_have_moved(reference: Reference, changes: dict[str, float], expected: str) -> None:
    """More light, or a rougher surface: the feature is named, with the means of both."""
    found = moved(reference, strips(30, 2, **changes))
    assert expected in found
    assert found[expected].second > found[expected].first
    assert {"brightness", "texture across"} - set(found) == {"brightness", "texture across"} - {expected}


def test_distance(reference: Reference) -> None:
    """An image of the same kind lies about one standard deviation away, one in other light farther."""
    same = np.mean([reference.distance(each) for each in strips(20, 3)])
    assert 0.5 < same < 1.5
    assert reference.distance(strips(1, 4, light=80)[0]) > 3 * same


def test_it_survives_a_file(reference: Reference) -> None:
    """The same distances; other numbers are refused."""
    content = json.loads(json.dumps(reference.to_json()))
    image = strips(1, 5)[0]
    assert Reference.from_json(content).distance(image) == reference.distance(image)
    with pytest.raises(ValueError, match="other numbers"):
        Reference.from_json(content | {"mean": [1.0]})
