"""From photographs to masks, with the probabilities from which they were made."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stages.dataset import geometry, image_sizes, images, label_maps, shift
from stages.dataset.images import ImageError, Size, UndecodableError
from stages.dataset.layout import Layout
from stages.inference import segmentation
from stages.photographs.found import Photograph
from stages.photographs.trained_model import TrainedModel
from stages.pipeline import parallel
from stages.pipeline.arrays import Float32, UInt8
from stages.postprocessing.prediction import Prediction


@dataclass(frozen=True)
class SegmentedPhotograph:
    """A photograph and its masks.

    Attributes:
        photograph: the file, and the name of its masks.
        image: the photograph as decoded, uint8 (height, width) or (height, width, 3).
        labels: label map or planes, at the photograph's own size.
        prediction: from which they were made, at the size at which the competition scores.
        features: of `shift`, of the photograph as networks see it: float32 (len(shift.FEATURES),).
    """

    photograph: Photograph
    image: UInt8
    labels: UInt8
    prediction: Prediction
    features: Float32


@dataclass(frozen=True)
class Refusal:
    """Why a photograph is not segmented.

    Attributes:
        reason: begins with the photograph's path.
        whole: whether the file could be decoded, so that waiting for the rest of it would not help.
    """

    reason: str
    whole: bool


@dataclass(frozen=True)
class _Readable:
    """A decoded photograph: as it is, as networks see it, and the latter's features of `shift`."""

    image: UInt8
    fitted: UInt8
    features: Float32

    @property
    def size(self) -> Size:
        return self.image.shape[0], self.image.shape[1]


def segmented(
    model: TrainedModel,
    photographs: Sequence[Photograph],
    refuse: Callable[[Photograph, Refusal], None],
    stopped: Callable[[], bool],
) -> Iterator[SegmentedPhotograph]:
    """Segment photographs. Their masks are those that `predict` would make of them as test images.

    Args:
        model: networks and rules.
        photographs: read a few at a time, in all cores.
        refuse: called for each photograph that cannot be read or that the recipe does not allow; the others are
            segmented.
        stopped: whether to begin no further photograph.

    Yields:
        Each of the others, in order. Where the competition scores at another size than the photograph's
        (competition.submission.height, width), the masks are brought from there to the photograph's.
    """
    waiting: deque[tuple[Photograph, _Readable]] = deque()

    def readable() -> Iterator[tuple[UInt8, Size]]:
        every = parallel.in_order(lambda one: _read(one, model.layout), photographs)
        for photograph, found in zip(photographs, every, strict=True):
            if stopped():
                return
            if isinstance(found, Refusal):
                refuse(photograph, found)
            else:
                waiting.append((photograph, found))
                yield found.fitted, found.size

    batch_size = model.batch_for(len(photographs))
    masks = segmentation.segmented(model.networks, readable(), model.layout, batch_size, model.views, model.rules)
    for labels, prediction in masks:
        photograph, seen = waiting.popleft()
        own = label_maps.resized(labels, seen.size)
        yield SegmentedPhotograph(photograph, seen.image, own, prediction, seen.features)


def _read(photograph: Photograph, layout: Layout) -> _Readable | Refusal:
    path, form = photograph.path, layout.images
    try:
        raw = geometry.contents(path, layout)
        image = geometry.native(raw, path, layout)
        if form.channels == 1 and not form.grey_from_colour:
            images.refuse_colours(raw, path)
        image_sizes.check_storable(geometry.fitted_size((image.shape[0], image.shape[1]), layout), layout, path)
        fitted = geometry.fitted(image, layout, path)
        return _Readable(image, fitted, shift.features(images.grey(fitted)))
    except ImageError as error:
        return Refusal(str(error), whole=not isinstance(error, UndecodableError))
