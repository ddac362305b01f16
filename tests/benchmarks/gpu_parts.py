"""What `gpu_check` measures, part by part: each takes a place and gives figures by name, in a process of its own."""

import itertools
import shutil
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np

from stages.dataset.prepared import Dataset
from stages.inference import engines, tensorflow_start
from stages.pipeline import paths, settings
from tests.benchmarks import gpu_steps
from tests.benchmarks.gpu_steps import Figures, Kind, Place


def device(place: Place) -> Figures:
    """Which card this is, and what computes on it."""
    gpus = tensorflow_start.start(training=True)
    import tensorflow as tf

    found: Figures = {"gpus": gpus, "tensorflow": tf.__version__, "name": None, "compute_capability": None}
    build = tf.sysconfig.get_build_info()
    found |= {f"{name}_of_tensorflow": build.get(f"{name}_version") for name in ("cuda", "cudnn")}
    for package in ("nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"):
        with suppress(metadata.PackageNotFoundError):
            found[package.replace("-", "_")] = metadata.version(package)
    if gpus:
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        found["name"] = details.get("device_name")
        found["compute_capability"] = ".".join(map(str, details.get("compute_capability", ()))) or None
    return found | _of_driver()


def _of_driver() -> Figures:
    """Version of NVIDIA's driver and the card's memory; null where its library does not answer."""
    try:
        import pynvml  # comes with dvclive

        pynvml.nvmlInit()
        memory = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).total
        return {"driver": str(pynvml.nvmlSystemGetDriverVersion()), "memory_megabytes": memory / 1e6}
    except Exception:  # noqa: BLE001  (none of its errors matters here)
        return {"driver": None, "memory_megabytes": None}


def training(place: Place, kind: Kind) -> Figures:
    """A step of training as `fit` makes it, on one batch in the computer's memory."""
    given = gpu_steps.ready(place, kind)
    first, step = gpu_steps.timed(given, place.seconds)
    return {
        "seconds_per_step": step,
        "images_per_second": given.crops.options.batch_size / step,
        "seconds_of_first_step": first,
        "peak_megabytes": gpu_steps.peak(),
    }


def loader(place: Place) -> Figures:
    """Crops per second that the loader of a training makes alone, and how long a training waits for them."""
    given = gpu_steps.ready(place, Kind())
    epochs = 10_000  # more than there is time for
    with gpu_steps.batches_of(given, epochs) as found:
        alone = gpu_steps.rate(found, place.seconds, lambda batch: None)
    _, in_memory = gpu_steps.timed(given, place.seconds)
    with gpu_steps.batches_of(given, epochs) as found:
        count, seconds = gpu_steps.run(given, found, epochs, place.seconds)
    return {
        "processes": gpu_steps.processes_of(given),
        "crops_per_second": given.crops.options.batch_size * alone,
        "seconds_per_step": seconds / count,
        "seconds_per_step_in_memory": in_memory,
        "waiting_share": max(0.0, 1 - in_memory * count / seconds),
    }


def epoch(place: Place) -> Figures:
    """An epoch of the drawn set with its loader, and images of the validation fold, as many as the time allows."""
    given = gpu_steps.ready(place, Kind())
    from stages.inference import savedmodel
    from stages.training import callbacks, losses

    crops, most = given.crops, 10 * place.seconds
    with gpu_steps.batches_of(given, 2) as found:
        steps, seconds = gpu_steps.run(given, found, crops.steps, 0.6 * most)
    network = savedmodel.wrapped(given.network, losses.LOSSES[crops.options.loss].activation)
    batch, fold = crops.options.validation_batch_size, given.data.fold(crops.options.folds[0])
    callbacks.validate(network, given.data, fold[:batch], batch)
    begin, images = time.perf_counter(), 0
    while images < len(fold) and (not images or time.perf_counter() - begin < 0.4 * most):
        part = fold[images : images + 10 * batch]
        callbacks.validate(network, given.data, part, batch)
        images += len(part)
    each = (time.perf_counter() - begin) / images
    return {
        "images_of_the_set": len(given.data.index),
        "steps_of_an_epoch": crops.steps,
        "steps": steps,
        "seconds_per_step": seconds / steps,
        "validation_images": images,
        "seconds_per_validation_image": each,
        "peak_megabytes": gpu_steps.peak(),
    }


def around(place: Place) -> Figures:
    """What a training takes besides its steps: start, the time between epochs, and the export."""
    tensorflow_start.start(training=True)
    from stages.training import timing
    from stages.training.job import Job

    options = place.options()
    found = timing.measure(Job(Dataset(paths.PREPARED), options, settings.load().training_seed), options.folds[0])
    return {
        "seconds_to_start": found.start,
        "seconds_between_epochs": found.between,
        "seconds_to_export": found.export,
    }


def inference(place: Place, number: int) -> Figures:
    """Images per second of the exported network, until their probabilities are in the computer's memory."""
    tensorflow_start.start(training=True)
    from stages.inference import savedmodel
    from stages.training import fit, losses, model

    batch, data, options = place.inference_batches()[number], Dataset(paths.PREPARED), place.options()
    folder = Path("network")
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        network = model.build(fit.exported(options, data), len(data.classes), data.layout.images.channels)
        savedmodel.save(network, losses.LOSSES[options.loss].activation, folder)
        (folder / "complete").touch()
    network = engines.load("tensorflow", folder)
    few = np.stack([data.image(sample) for sample in data.index[:8]])
    images = np.resize(few, (batch, *few.shape[1:]))
    gpu_steps.forget_peak()
    begin = time.perf_counter()
    [np.asarray(part) for part in network(images)]
    first = time.perf_counter() - begin
    answers = (network(images) for _ in itertools.count())
    rate = gpu_steps.rate(answers, place.seconds, lambda given: [np.asarray(part) for part in given])
    return {
        "batch": batch,
        "images_per_second": batch * rate,
        "seconds_of_first_batch": first,
        "peak_megabytes": gpu_steps.peak(),
    }


def one_device_strategy(place: Place) -> Figures:
    """A step under MirroredStrategy on one device against the same step without it."""
    without = gpu_steps.ready(place, Kind())
    import tensorflow as tf

    _, plain = gpu_steps.timed(without, place.seconds)
    device_name = "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"
    _, mirrored = gpu_steps.timed(
        gpu_steps.ready(place, Kind(strategy=tf.distribute.MirroredStrategy([device_name]))), place.seconds
    )
    return {"seconds_per_step": mirrored, "seconds_per_step_without": plain, "ratio": mirrored / plain}
