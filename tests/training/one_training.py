"""One small training as a process of its own: python tests/training/one_training.py PREPARED STATE OPTIONS [DEVICES].

OPTIONS are changes of the section `train` of params.yaml, as JSON. DEVICES: how many of them the one processor stands
for. TF_CONFIG is heeded as in the stage. Prints the history, as JSON, in a last line.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from stages.inference import cpu, tensorflow_start  # noqa: E402

cpu.configure()  # not all of tensorflow_start.start, which starts the devices
os.environ.update(tensorflow_start.FOR_TRAINING)
import tensorflow as tf  # noqa: E402

from stages.dataset.prepared import Dataset  # noqa: E402
from stages.pipeline import cli, settings  # noqa: E402


def main() -> None:
    """Train."""
    prepared, state, changes, *devices = sys.argv[1:]
    if devices:  # before anything starts them
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * int(devices[0])
        tf.config.set_logical_device_configuration(cpu, parts)
    from stages.training import distribution, fit
    from stages.training.job import Job

    options = settings.load(ROOT / "params.yaml").train.model_copy(update=json.loads(changes))
    cluster = distribution.cluster(0)
    if devices:
        cluster = distribution.Cluster(tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(int(devices[0]))]))
    cluster.check(options)
    with distribution.lost_workers_reported(cluster):
        cluster.check_consistent({"params.yaml: train": repr(options)})
        trained = fit.fit(Job(Dataset(Path(prepared)), options, 1, cluster), 0, Path(state), lambda *logs: None)
        cluster.barrier()
    print(json.dumps(trained.history), flush=True)


if __name__ == "__main__":
    cli.guard("train", main)
