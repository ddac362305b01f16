"""`segmentation_models`, imported without the line that it prints on stdout when it is."""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    import segmentation_models as sm

__all__ = ["sm"]
