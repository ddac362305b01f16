"""The code of an export: example.py, the modules that it imports, and the packages that these need."""

import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stages.exporting.networks import Format
from stages.kaggle import bundle

# What example.py imports. No module that imports DVC, pydantic or segmentation_models.
MODULES = (
    "stages.dataset.dicom",
    "stages.dataset.geometry",
    "stages.dataset.image_headers",
    "stages.dataset.images",
    "stages.dataset.label_maps",
    "stages.dataset.layout",
    "stages.dataset.rle",
    "stages.dataset.tiles",
    "stages.exporting.exported",
    "stages.exporting.manifest",
    "stages.inference.averaging",
    "stages.inference.cpu",
    "stages.inference.gpus",
    "stages.inference.onnx",
    "stages.inference.openvino",
    "stages.inference.savedmodel",
    "stages.inference.segmentation",
    "stages.inference.tensorflow_start",
    "stages.pipeline.arrays",
    "stages.pipeline.cli",
    "stages.pipeline.hashes",
    "stages.pipeline.parallel",
    "stages.postprocessing.class_weights",
    "stages.postprocessing.prediction",
    "stages.postprocessing.rules",
)
ENGINES = {"onnx": ("onnxruntime",), "openvino": ("openvino",), "savedmodel": ("tensorflow-cpu", "tensorflow")}


def write(folder: Path, form: Format) -> None:
    """Write code/, example.py and requirements.txt into the folder of an export."""
    bundle.copy_code(bundle.ROOT, folder / "code", MODULES)
    shutil.copyfile(Path(__file__).with_name("example.py"), folder / "example.py")
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements(form)), encoding="utf-8")


def requirements(form: Format) -> list[str]:
    """The packages that example.py needs, in the versions that are installed here.

    PNG files and whole JPEG files need the engine, NumPy and OpenCV alone. Pillow reads TIFF and BMP files, pydicom
    DICOM files, and simplejpeg refuses a damaged JPEG file, as the pipeline does.
    """
    engine = next((line for package in ENGINES[form] if (line := _pinned(package))), ENGINES[form][0])
    packages = ("numpy", "opencv-python-headless", "pillow", "simplejpeg")
    return [engine, *(_pinned(package) or package for package in packages), *filter(None, [_pinned("pydicom")])]


def _pinned(package: str) -> str | None:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return None
