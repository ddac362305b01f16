"""Write .dvc/tmp/vega.js, with which the pages of `dvc plots` draw their charts without a network.

    python -m stages.figures.plots_script

`make setup` does this. The pages themselves come from .dvc/plots.html.
"""

from pathlib import Path

import vl_convert

from stages.pipeline import cli, outputs

SCRIPT = Path(".dvc/tmp/vega.js")  # in a folder that DVC hides from git


def write() -> None:
    """Write Vega, Vega-Lite and Vega-Embed, as the package vl-convert-python holds them, as one script.

    Raises:
        UserError: this is not the repository's folder, or the file cannot be written.
    """
    if not SCRIPT.parents[1].is_dir():
        raise cli.UserError(f"expected to run in the project's folder, found no {SCRIPT.parents[1]} here")
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    with outputs.file(SCRIPT) as stream:
        stream.write(f"(() => {{\n{bundle}\n}})();\n")  # so that its names are not those of the page


if __name__ == "__main__":
    cli.guard("plots_script", write)
