"""Build data/kernel, a notebook for competitions that accept no CSV, ready for `kaggle kernels push`.

Reads data/model and data/postprocess.json, which must be those that dvc.lock records. Writes the script with its
metadata and, in data/kernel/dataset, the private data set that it reads: code, networks and parameters. The code is
that of infer_test and predict. It runs TensorFlow in float32 whatever `inference` says, since Kaggle's machines have no
OpenVINO: with the same engine and precision here, it submits what predict would.
"""

from stages.inference import engines
from stages.kaggle import bundle
from stages.pipeline import outputs, paths, recorded, settings, stage


def kernel() -> None:
    """Run the stage."""
    options = settings.load()
    for path in (paths.MODEL, paths.RULES):
        recorded.check(path)
    with outputs.folder(paths.KERNEL) as folder:
        bundle.write(folder, options)
    if engines.chosen(options.inference) != engines.NOTEBOOK:
        print(f"kernel: the notebook runs {engines.NOTEBOOK}, whatever inference.engine says: Kaggle has no OpenVINO")
    size = sum(file.stat().st_size for file in paths.KERNEL.rglob("*") if file.is_file())
    owner = options.kernel.owner
    whose = f", owned by {owner}" if owner else "; kernel.owner is null: submit --kernel fills in your user name"
    print(f"kernel: {paths.KERNEL}: a script and a data set of {size / 1e6:.0f} MB{whose}")


if __name__ == "__main__":
    stage.run(kernel, __doc__)
