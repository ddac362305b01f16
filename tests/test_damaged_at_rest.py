"""What stages have written and others read: damaged in any place, it is read or ends in one message with a command."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import infer, infer_test, predict, preprocess, report
from stages.dataset import encoded_store
from stages.dataset.layout import Metric
from stages.dataset.prepared import Dataset
from stages.figures import charts
from stages.inference import engines, ensemble, probabilities
from stages.inference.averaging import AS_IT_IS, Views
from stages.inference.probabilities import Cache
from stages.pipeline import paths
from stages.pipeline.cli import UserError
from stages.postprocessing import rules_file
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules
from tests.conftest import draw_competition

ROOT = Path(__file__).parents[1]
IMAGES = ("train_00.jpg", "train_07.jpg")
CACHE = Path("data/probabilities/validation")


@pytest.fixture
def prepared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set that is stored in this way, in the current folder."""
    monkeypatch.chdir(tmp_path)
    if request.param == "png":
        monkeypatch.setattr(encoded_store, "MOST_PIXELS", 0)
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    width = 32 if request.param == "tiled" else 64
    competition = parameters["competition"] | {"image_height": 32, "image_width": width}
    competition["overlapping_classes"] = request.param == "overlapping"
    competition["images"]["sizes"] = "tiled" if request.param == "tiled" else "equal"
    parameters["train"]["loss"] = "bce"  # with which classes may overlap
    parameters["competition"], parameters["preprocess"]["folds"] = competition, 3
    Path("params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    draw_competition(Path("data/raw"))
    preprocess.preprocess()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other stages write, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "metrics", "metrics")
    shutil.copytree(ROOT / ".dvc/plots", ".dvc/plots")
    planes = np.random.default_rng(0).integers(0, 256, (32, 64, 4), np.uint8)
    probabilities.write(CACHE, [(name, Prediction(planes, planes[0, 0])) for name in IMAGES])
    rules = Rules("presence", (Rule(128, 3, 10, 5),) * 4, (1.5, 2.0, 1.0, 1.0), True)
    rules_file.write(paths.RULES, rules, [([name], rules) for name in IMAGES])
    paths.MODEL.mkdir()
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 5, (0.2,) * 5)
    ensemble.write(paths.MODEL, ensemble.Ensemble({"digest": "0" * 8}, [member]))
    paths.PREDICTED_MASKS.write_text("image,class,run_lengths\ntrain_00.jpg,pits,1 4\n")


def data_set() -> None:
    """Everything that a data set gives."""
    data = Dataset(paths.PREPARED)
    assert data.signatures is not None
    for sample in data.index:
        data.truth(sample)
        data.image(sample)
        data.label_map(sample)
    data.tiles(data.index)
    assert data.fold(data.held_out)


def cached() -> None:
    """All probabilities."""
    stored = Cache(CACHE)
    for name in IMAGES:
        assert stored[name].pixels.shape == (32, 64, 4)


def chosen() -> None:
    """The rules of every image."""
    fitted = rules_file.read(paths.RULES)
    for name in IMAGES:
        fitted.of(name)


# For each file or folder its reader; a message names the file, or one beside it that contradicts it.
READERS: dict[Path, Callable[[], object]] = {
    CACHE: cached,
    paths.RULES: chosen,
    paths.MODEL / ensemble.FILE: lambda: ensemble.read(paths.MODEL),
    paths.PREDICTED_MASKS: report._predicted_masks,
    paths.EVALUATION_METRICS: lambda: report._read(paths.EVALUATION_METRICS, validation=dict),
    paths.DOWNLOAD_METRICS: lambda: report._read(paths.DOWNLOAD_METRICS, source=str, sha256=str),
    paths.IMAGES_TABLE: lambda: report._scores(Metric()),
    paths.PRESENCE_TABLE: charts.specifications,
    paths.RELIABILITY_TABLE: charts.specifications,
}


def damages(raw: bytes, random: np.random.Generator) -> Iterator[bytes]:
    """Empty, other contents, cut off, single bits, and stretches of other bytes."""
    yield from (b"", b"[]", b"{}", b"null", b"PK\3\4", b"\x93NUMPY", b"\xff" * 300, b"[" * 100_000, b'"' + raw)
    for _ in range(12):
        yield raw[: random.integers(len(raw))]
    for number in range(40):
        place = int(random.integers(min(len(raw), 200) if number % 2 else len(raw)))
        yield raw[:place] + bytes([raw[place] ^ 1 << int(random.integers(8))]) + raw[place + 1 :]
    for _ in range(8):
        place = int(random.integers(len(raw)))
        yield raw[:place] + random.bytes(16) + raw[place + 16 :]


def refusal(read: Callable[[], object]) -> str:
    """Why a reader refuses what it finds; empty if it does not."""
    try:
        read()
    except UserError as error:
        return str(error)
    return ""


def check(files: list[Path], read: Callable[[], object]) -> None:
    """Read each damage of each file: that ends well, or in a message about a file beside it."""
    random = np.random.default_rng(0)
    read()
    for file in files:
        raw, messages = file.read_bytes(), []
        for damaged in damages(raw, random):
            file.write_bytes(damaged)
            messages.append(refusal(read))
        file.write_bytes(raw)
        refused = [message for message in messages if message]
        assert len(refused) >= 8, file
        for message in refused:
            assert message.startswith(f"{file.parent}"), message
            assert "run dvc repro" in message, message
            assert len(message) < 500, message


@pytest.mark.parametrize("prepared", ["pixels", "png", "tiled", "overlapping"], indirect=True)
@pytest.mark.usefixtures("prepared")
def test_a_data_set() -> None:
    """Every file of it that is read; the table of folds is for people to copy."""
    check(sorted(set(paths.PREPARED.iterdir()) - {paths.FOLDS_TABLE}), data_set)


@pytest.mark.parametrize("place", READERS, ids=str)
@pytest.mark.usefixtures("written")
def test_other_files(place: Path) -> None:
    """Probabilities, rules, networks' notes, masks and figures."""
    check(sorted(place.iterdir()) if place.is_dir() else [place], READERS[place])


@pytest.mark.usefixtures("written")
def test_an_image_without_rules() -> None:
    """One that was renamed in the file."""
    paths.RULES.write_text(paths.RULES.read_text().replace(IMAGES[0], "other.jpg"))
    assert refusal(chosen).startswith("data/postprocess.json: expected rules for the validation image train_00.jpg")


@pytest.mark.parametrize("stage", [infer.infer, infer_test.infer_test])
@pytest.mark.parametrize("prepared", ["pixels"], indirect=True)
@pytest.mark.usefixtures("prepared")
def test_a_damaged_network(stage: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine sees it."""
    monkeypatch.setattr(engines, "load", lambda *_: pytest.fail("it was loaded"))
    (paths.MODEL / "fold_0").mkdir(parents=True)
    (paths.MODEL / "fold_0/saved_model.pb").write_bytes(b"whole")
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 5, (0.2,) * 5)
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, [member]))
    (paths.MODEL / "fold_0/saved_model.pb").write_bytes(b"whose")
    assert refusal(stage).startswith("data/model/fold_0/saved_model.pb: expected the file that train wrote")


def test_rules_of_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What evaluate scored would not be what predict sends: as after infer on another machine, with auto."""
    monkeypatch.chdir(tmp_path)
    for folder, precision in ((paths.PROBABILITIES, "bfloat16"), (paths.TEST_PROBABILITIES.parent, "float32")):
        folder.mkdir(parents=True)
        engines.write(folder, engines.Engine("openvino", precision), AS_IT_IS)
    with pytest.raises(
        UserError, match=r"expected probabilities by openvino in bfloat16.*found some by openvino in float32"
    ):
        predict._check_engines()
    engines.write(paths.PROBABILITIES, engines.Engine("openvino", "float32"), AS_IT_IS)
    predict._check_engines()
    engines.write(paths.PROBABILITIES, engines.Engine("openvino", "float32"), Views(scales=(0.75, 1.0)))
    with pytest.raises(UserError, match=r"without flips at scale 0.75, 1.0, as .* without flips at scale 1.0: "):
        predict._check_engines()
