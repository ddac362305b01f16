"""Three ways from test images to predictions, to compare their times.

    setup = prepare(Path("somewhere"), images=12)
    setup.bare("tensorflow")         # the network alone, on a tensor in memory
    setup.image_by_image()           # TensorFlow, one image per call, as notebooks do, in a process of its own
    setup.pipeline("openvino")       # infer_test and predict: from image files to submission.csv

Each returns how many images it has processed. The first call also loads the network and starts the process, so call
each once before timing it.
"""

import contextlib
import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml

from tests.benchmarks.samples import NETWORK

ROOT = Path(__file__).parents[2]
# Random weights are scaled to predict as trained ones do: this share of the pixels in a class, and logits with this
# standard deviation. Probabilities then take 0.03 to 0.06 MB per image (metrics/infer_test.json: 0.046).
SHARE = 0.025
SPREAD = 3.0
# Runs without this project, in a process with TensorFlow's own defaults (without AVX-512, no oneDNN).
NOTEBOOK = """
import sys, cv2, tensorflow as tf
network, files = tf.saved_model.load(sys.argv[1]), sys.argv[2:]
for line in sys.stdin:
    for file in files:
        pixels, presence = network(tf.constant(cv2.imread(file, cv2.IMREAD_GRAYSCALE)[None]))
        masks = pixels.numpy()[0] >= 0.5
    print(len(files), flush=True)
"""


class Setup:
    """A folder as stages see it: params.yaml, test images, a network, rules of post-processing. Made by `prepare`."""

    def __init__(self, folder: Path) -> None:
        from stages.pipeline import settings

        self.folder = folder
        self.options = settings.load(folder / "params.yaml")
        self.kernels: list[tuple[int, ...]] = []  # of the convolutions: (height, width, given, made)
        self.parameters = 0  # that can be trained
        self._networks: dict[tuple[str, str], Any] = {}
        self._notebook: subprocess.Popen[str] | None = None

    @property
    def files(self) -> list[Path]:
        """The test images, sorted by name."""
        return sorted((self.folder / "data/raw/test_images").iterdir())

    def bare(self, engine: str, precision: str = "float32") -> int:
        """The network alone, on a batch in memory, as often as the pipeline calls it."""
        return bare_network(self.network(engine, precision), self.batch(engine), len(self.files))

    def image_by_image(self) -> int:
        """TensorFlow's graph, called with one image after the other; reading images and making masks included."""
        if self._notebook is None:
            self._notebook = _start_notebook(self.folder / "data/model/fold_0", self.files)
            self.image_by_image()
        return image_by_image(self._notebook)

    def pipeline(self, engine: str, precision: str = "float32") -> int:
        """What infer_test and predict do, from image files to a checked submission.csv."""
        return pipeline(self.folder, self.options, (engine, precision), self.network(engine, precision))

    def network(self, engine: str, precision: str = "float32") -> Any:
        """The network, loaded once per engine and precision and warmed up with a batch."""
        from stages.inference import engines

        if (engine, precision) not in self._networks:
            folder = self._quantized() if precision == "int8" else self.folder / "data/model/fold_0"
            network = engines.load(engine, folder, precision)
            network(self.batch(engine))
            self._networks[engine, precision] = network
        return self._networks[engine, precision]

    def _quantized(self) -> Path:
        """The network in int8, as the stage quantize makes it, calibrated on the test images."""
        from stages.dataset.layout import Layout
        from stages.inference import quantization

        grey = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in self.files]
        data: Any = SimpleNamespace(layout=Layout.of(self.options.competition), images=grey)
        samples: Any = [SimpleNamespace(position=position) for position in range(len(grey))]
        folder = self.folder / "data/quantized/fold_0"
        quantization.quantize(self.folder / "data/model/fold_0", data, samples, folder)
        return folder

    def batch(self, engine: str) -> Any:
        """A batch of the first images, repeated if necessary, uint8 (batch, height, width), as the engine needs it."""
        grey = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in self.files[: self.options.inference.batch_size]]
        filled = np.stack((grey * self.options.inference.batch_size)[: self.options.inference.batch_size])
        if engine == "openvino":
            return filled
        import tensorflow as tf

        return tf.constant(filled)

    def close(self) -> None:
        """End the notebook's process."""
        if self._notebook is not None:
            self._notebook.communicate()
            self._notebook = None

    def __enter__(self) -> "Setup":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def prepare(folder: Path, images: int, height: int = 256, width: int = 1600, **changes: dict[str, Any]) -> Setup:
    """Make a network with random weights and the committed parameters, and test images of the built-in sample.

    Args:
        folder: where; created if necessary.
        images: how many test images.
        height, width: their size in pixels.
        changes: values to change in sections of params.yaml, such as `train={"downscale": 1}`. Flips are off by
            default.
    """
    from stages.synthetic import generate

    folder.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["competition"] |= {"image_height": height, "image_width": width}
    content["inference"] |= {"flips": False}
    content["train"] |= NETWORK | {"precision": "float32"}
    for section, values in changes.items():
        content[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    raw = folder / "data/raw"
    raw.mkdir(parents=True)
    generate.generate(raw, 0, images, 1)
    for file in (raw / "test_images").iterdir():
        cv2.imwrite(str(file), cv2.resize(cv2.imread(str(file)), (width, height)), [cv2.IMWRITE_JPEG_QUALITY, 92])
    with (raw / "sample_submission.csv").open(encoding="utf-8", newline="") as lines:
        assert len(list(csv.reader(lines))) == images + 1
    setup = Setup(folder)
    _save_network(setup)
    return setup


def bare_network(network: Any, batch: Any, images: int) -> int:
    """Call a network with the same batch until it has processed this many images; returns how many it has processed."""
    calls = -(-images // len(batch))
    for _ in range(calls):
        network(batch)
    return calls * len(batch)


def image_by_image(notebook: subprocess.Popen[str]) -> int:
    """Let the notebook's process predict all its images once; returns how many there are."""
    assert notebook.stdin
    assert notebook.stdout
    print(file=notebook.stdin, flush=True)
    answer = notebook.stdout.readline()
    if not answer:
        raise RuntimeError("the notebook's process has ended")
    return int(answer)


def pipeline(folder: Path, options: Any, engine: tuple[str, str], network: Any) -> int:
    """Run infer_test and predict in a folder with a loaded network; returns the number of images."""
    from stages import infer_test, predict
    from stages.dataset import sample_submission, validation
    from stages.dataset.layout import Layout
    from stages.inference import averaging, engines
    from stages.pipeline import paths

    by, views = engines.Engine(*engine), averaging.Views(options.inference.flips, options.inference.scales)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        layout = Layout.of(options.competition)
        sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
        files = dict(zip(sample.images, validation.test_files(sample.images), strict=True))
        paths.PROBABILITIES.mkdir(exist_ok=True)
        engines.write(paths.PROBABILITIES, by, views)
        infer_test.store(options.inference, layout, files, by, [network])
        predict.predict()
    return len(sample.images)


def _save_network(setup: Setup) -> None:
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    import tensorflow as tf

    from stages.inference import ensemble, savedmodel
    from stages.postprocessing import rules_file
    from stages.postprocessing.rules import Rule, Rules
    from stages.training import model
    from stages.training.losses import LOSSES

    options, classes = setup.options.train, len(setup.options.competition.classes)
    tf.keras.utils.set_random_seed(setup.options.seed)
    network = model.build(options, classes)
    softmax = LOSSES[options.loss].activation == "softmax"
    setup.kernels = [tuple(weight.shape) for weight in network.trainable_weights if len(weight.shape) == 4]
    setup.parameters = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    (inner,) = (layer for layer in network.layers if hasattr(layer, "layers"))
    last = [layer for layer in inner.layers if layer.get_weights() and not layer.name.startswith("presence")][-1]
    images = np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in setup.files])
    outputs = network.predict(images[..., np.newaxis].astype(np.float32), setup.options.inference.batch_size, verbose=0)
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs
    lead = logits[..., 1:].max(axis=-1) - logits[..., 0] if softmax else logits.max(axis=-1)
    scale = SPREAD / lead.std()
    shift = scale * np.quantile(lead, 1 - SHARE)
    kernel, bias = last.get_weights()
    bias = scale * bias + np.array([shift] + [0.0] * classes if softmax else [-shift] * classes)
    last.set_weights([scale * kernel, bias])
    folder = setup.folder / "data/model"
    savedmodel.save(network, LOSSES[options.loss].activation, folder / "fold_0")
    equal = (1.0,) * (1 + classes)
    member = ensemble.EnsembleMember("fold_0", 0, softmax, options.presence_weight > 0, equal, equal)
    ensemble.write(folder, ensemble.Ensemble({}, [member]))
    rules = Rules("area", (Rule(128, 100, 200, 50),) * classes, softmax=softmax)
    rules_file.write(setup.folder / "data/postprocess.json", rules, [])


def _start_notebook(network: Path, files: list[Path]) -> "subprocess.Popen[str]":
    own = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    return subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK, str(network), *map(str, files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=own,
    )
