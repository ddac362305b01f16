"""Kaggle's kernels and data sets, for kaggle_server.py."""

from typing import Any

from tests.support.kaggle_wire import RefusedError, WireServer

PAGE = 20  # of lists, if the client does not say

Json = dict[str, Any]


class Notebooks(WireServer):
    """Saved kernels, their runs, the data sets that they read.

    Attributes:
        files: slug of a competition to the zip that holds its files.
        kernels: "owner/slug" to its versions, each `request` and `statuses`: each is reported once, the last for ever.
        kernel_statuses: those of a new version.
        kernel_error: if set, SaveKernel answers 200 with this error, as Kaggle does.
        kernel_failure: goes with the status ERROR.
        kernel_files: output files of every kernel.
        kernel_log: its log, a list of events in JSON.
        datasets: "owner/slug" to its versions, each `request`, `files` by name, and `statuses` as of kernels.
        dataset_statuses: those of a new version.
        blobs: path of an upload to the file's name; the client takes the path for a token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.kernels: dict[str, list[Json]] = {}
        self.kernel_statuses = ["QUEUED", "RUNNING", "COMPLETE"]
        self.kernel_error: str | None = None
        self.kernel_failure = "Your notebook tried to allocate more memory than is available."
        self.kernel_files: dict[str, bytes] = {}
        self.kernel_log = '[{"stream_name":"stdout","time":1.0,"data":"done\\n"}]'
        self.datasets: dict[str, list[Json]] = {}
        self.dataset_statuses = ["READY"]
        self.blobs: dict[str, str] = {}

    def start_upload(self, name: str) -> Json:
        """A signed address for a file's content."""
        path = self.signed("uploads", name)
        self.uploads[path] = None
        self.blobs[path] = name
        return {"token": path, "createUrl": f"{self.address}{path}?upload_id=0123456789abcdef"}

    def uploaded(self, token: str) -> bytes:
        """What was put there."""
        content = self.uploads.get(token)
        if content is None:
            raise RefusedError(400, "Invalid blob token")
        return content

    # Kernels

    def SaveKernel(self, request: Json) -> Json:
        """Save a version and run it. Sources that do not exist are left out, and the answer names them."""
        if self.kernel_error is not None:
            return {"error": self.kernel_error}
        name = request["slug"]
        self.kernels.setdefault(name, []).append({"request": request, "statuses": list(self.kernel_statuses)})
        unknown = {
            "invalidDatasetSources": [one for one in request.get("datasetDataSources", []) if one not in self.datasets],
            "invalidCompetitionSources": [
                one for one in request.get("competitionDataSources", []) if one not in self.files
            ],
        }
        answer = {"ref": f"/code/{name}", "url": f"https://www.kaggle.com/code/{name}"}
        return {**answer, "versionNumber": len(self.kernels[name]), **{key: one for key, one in unknown.items() if one}}

    def _newest(self, request: Json) -> Json:
        versions = self.kernels.get(f"{request.get('userName')}/{request.get('kernelSlug')}")
        if not versions:
            raise RefusedError(403, "Permission 'kernels.get' was denied")
        return versions[-1]

    def GetKernelSessionStatus(self, request: Json) -> Json:
        """How far the newest version's run is."""
        status = _next(self._newest(request)["statuses"])
        return {"status": status, **({"failureMessage": self.kernel_failure} if status == "ERROR" else {})}

    def ListKernelSessionOutput(self, request: Json) -> Json:
        """The run's files and log."""
        self._newest(request)
        files = []
        for name, content in self.kernel_files.items():
            path = self.signed("outputs", name)
            self.downloads[path] = content
            files.append({"url": self.address + path, "fileName": name})
        return {**paged("files", files, request), "log": self.kernel_log}

    # Data sets

    def StartBlobUpload(self, request: Json) -> Json:
        """Where a file of a data set is to be put."""
        return self.start_upload(request["name"])

    def GetDatasetStatus(self, request: Json) -> Json:
        """How far the newest version is."""
        versions = self.datasets.get(f"{request.get('ownerSlug')}/{request.get('datasetSlug')}")
        if not versions:
            raise RefusedError(404, "Dataset not found")
        return {"status": _next(versions[-1]["statuses"])}

    def CreateDataset(self, request: Json) -> Json:
        """A new data set."""
        name = f"{request.get('ownerSlug')}/{request.get('slug')}"
        if name in self.datasets:
            return {"status": "error", "error": "The requested title is already in use by a dataset."}
        return self._saved(name, request, request.get("files", []))

    def CreateDatasetVersion(self, request: Json) -> Json:
        """A new version of a data set."""
        name = f"{request.get('ownerSlug')}/{request.get('datasetSlug')}"
        if name not in self.datasets:
            raise RefusedError(404, "Dataset not found")
        return self._saved(name, request, request.get("body", {}).get("files", []))

    def _saved(self, name: str, request: Json, files: list[Json]) -> Json:
        contents = {self.blobs[one["token"]]: self.uploaded(one["token"]) for one in files}
        if not contents:
            return {"status": "error", "error": "At least one file is needed."}
        version = {"request": request, "files": contents, "statuses": list(self.dataset_statuses)}
        self.datasets.setdefault(name, []).append(version)
        return {"ref": f"/{name}", "url": f"https://www.kaggle.com/datasets/{name}", "status": "ok"}


def _next(statuses: list[str]) -> str:
    """The first status, taken off unless it is the last."""
    return statuses.pop(0) if len(statuses) > 1 else statuses[0]


def paged(key: str, entries: list[Json], request: Json) -> Json:
    """A page of a list, and the token of the next one, if there is one; a page token is an offset, a page a number."""
    size = request.get("pageSize") or PAGE
    start = int(request.get("pageToken") or (request.get("page", 1) - 1) * size)
    more = {"nextPageToken": str(start + size)} if start + size < len(entries) else {}
    return {key: entries[start : start + size], **more}
