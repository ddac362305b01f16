import numpy as np
import pytest

from stages import settings
from stages.command import UserError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("architecture", ["Unet", "Linknet", "FPN"])
@pytest.mark.parametrize(
    ("size", "downscale"), [((40, 72), 1), ((64, 64), 2), ((33, 31), 1), ((33, 31), 2), ((20, 200), 4)]
)
def test_logits_have_the_size_of_the_image(
    options: settings.Train, architecture: str, size: tuple[int, int], downscale: int
) -> None:
    """Images that no power of two divides are padded and cut back, whatever the architecture."""
    from stages.network import model

    network = model.build(options.model_copy(update={"architecture": architecture, "downscale": downscale}), 2)
    assert network(np.zeros((1, *size, 1), np.float32)).shape == (1, *size, 3)


def test_padding_mirrors_the_image_and_is_cut_off_again() -> None:
    """A 2×3 image becomes 32×32, its first pixels unchanged and its edge mirrored."""
    from stages.network import model

    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    image = np.tile(image, (1, 16, 11, 1))[:, :31, :31]
    padded = model.PadToStride(32)(image)
    assert padded.shape == (1, 32, 32, 1)
    np.testing.assert_array_equal(padded[:, 31], padded[:, 30])
    np.testing.assert_array_equal(model.CropLike()([padded, image]), image)


def test_imagenet_without_a_network_says_what_to_do(
    options: settings.Train, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """A fetch that fails ends in one message, which names the folder and the way out."""
    from stages.network import model
    from stages.network.library import sm

    def fail(**arguments: object) -> None:
        raise Exception("URL fetch failure on https://example.org/weights.h5: None -- no route to host")

    monkeypatch.setattr(sm, "Unet", fail)
    with pytest.raises(UserError, match=r"encoder_weights: .* fetched once .* that failed: .* set .* to null"):
        model.build(options.model_copy(update={"encoder_weights": "imagenet"}), 2)


def test_other_encoder_with_its_own_preprocessing(options: settings.Train) -> None:
    """An encoder whose ImageNet weights want scaled colours gets them from the network itself."""
    from stages.network import model

    layer = model._preprocessing("efficientnetb0")
    scaled = layer(np.full((1, 2, 2, 3), 255, np.float32))
    np.testing.assert_allclose(
        scaled[0, 0, 0], (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rtol=1e-5
    )
