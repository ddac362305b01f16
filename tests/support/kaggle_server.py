"""A stand-in for kaggle.com: competitions, kernels, data sets. The real client 2.2.4 talks to it, in other processes.

    with KaggleServer() as server:
        server.files["steel"] = zipped
        server.rules_accepted.add("steel")
        subprocess.run(["kaggle", "competitions", "download", "steel"], env=server.environment(home))

Nothing of the client is replaced: environment variables alone lead it here.
"""

import base64
import io
import os
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.support.kaggle_notebooks import Json, Notebooks, paged
from tests.support.kaggle_wire import Answer, RefusedError

USERNAME, KEY, TOKEN = "someone", "0123456789abcdef0123456789abcdef", "KGAT_made_up"

# What the server understands, as the paths under /api/v1/ name it.
SERVICES = {
    "competitions.CompetitionApiService": (
        *("ListCompetitions", "GetCompetition", "ListDataFiles", "DownloadDataFiles", "DownloadDataFile"),
        *("StartSubmissionUpload", "CreateSubmission", "CreateCodeSubmission", "ListSubmissions"),
        "GetSubmissionLimits",
    ),
    "kernels.KernelsApiService": ("SaveKernel", "GetKernelSessionStatus", "ListKernelSessionOutput"),
    "datasets.DatasetApiService": ("GetDatasetStatus", "CreateDataset", "CreateDatasetVersion"),
    "blobs.BlobApiService": ("StartBlobUpload",),
    "security.OAuthService": ("IntrospectToken",),
}
METHODS = {f"/api/v1/{service}/{name}": name for service, names in SERVICES.items() for name in names}


class KaggleServer(Notebooks):
    """Everything that the account can see, in attributes that tests set and read; the base classes have more.

    Attributes:
        rules_accepted: slugs whose rules the user has accepted; without, nothing but lists of files.
        code_competitions: slugs that take submissions from notebooks only.
        limits: numToday, numTotal, numAllowedNow; a submission moves them.
        submissions: the oldest first; besides what ListSubmissions sends, `competition`, `content` and `kernel`.
        score: file to public and private score.
        score_after: how many times ListSubmissions says PENDING.
        submission_error: if set, submissions end in ERROR with this text.
        wrong_zip: each is served once, before the right one.
        wrong_credentials: if set, all is answered with 401.
        newest_client: version of the client that every answer tells, if set; the client then prints a warning.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rules_accepted: set[str] = set()
        self.code_competitions: set[str] = set()
        self.limits = {"numToday": 0, "numTotal": 0, "numAllowedNow": 5}
        self.submissions: list[Json] = []
        self.score: Callable[[bytes], tuple[str, str]] = lambda content: ("0.5", "0.4")
        self.score_after = 0
        self.submission_error: str | None = None
        self.wrong_zip: list[bytes] = []
        self.wrong_credentials = False
        self.newest_client: str | None = None

    def __enter__(self) -> "KaggleServer":
        super().__enter__()
        return self

    def environment(self, home: Path) -> dict[str, str]:
        """The environment that leads the real client here, for `env=`, without the variables of this process.

        Args:
            home: an existing folder in place of the user's, whose credentials nobody may see.
        """
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",  # the API is http://localhost/api …
            "http_proxy": self.address,  # … and this server answers it
            "no_proxy": "127.0.0.1",  # signed addresses are reached directly
            "KAGGLE_USERNAME": USERNAME,
            "KAGGLE_KEY": KEY,
            "HOME": str(home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }

    def call(self, path: str, content: Json, authorization: str) -> Answer:
        """Answer a call: first with a fault that a test asked for, then by the credentials, then by the call itself."""
        name = METHODS.get(path, "")
        extra = {"X-Kaggle-ApiVersion": self.newest_client} if self.newest_client else {}
        with self.lock:
            try:
                fault = self.fault(name)
                if fault:
                    return fault
                if name != "IntrospectToken" and not self._known(authorization):
                    raise RefusedError(401, "Unauthenticated")
                if not name:
                    raise RefusedError(404, f"no such method: {path}")
                answer = getattr(self, name)(content)
            except RefusedError as refused:
                return refused.answer
        return answer if isinstance(answer, Answer) else Answer.of(answer, headers=extra)

    def _known(self, authorization: str) -> bool:
        basic = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
        return not self.wrong_credentials and authorization in (f"Basic {basic}", f"Bearer {TOKEN}")

    def IntrospectToken(self, request: Json) -> Json:
        """Whose token it is."""
        if self.wrong_credentials or request.get("token") != TOKEN:
            return {}  # `active` is false, and default values are left out
        return {"active": True, "username": USERNAME}

    # Competitions: looking and downloading

    def _entered(self, request: Json) -> str:
        """The competition of a request, whose rules must be accepted; a mistyped one is answered with 403 too."""
        slug = request.get("competitionName", "")
        if slug not in self.files:
            raise RefusedError(403, "Permission 'competitions.get' was denied")
        if slug not in self.rules_accepted:
            raise RefusedError(403, "You must accept this competition's rules before you'll be able to download files.")
        return slug

    def _described(self, slug: str) -> Json:
        return {
            "ref": f"https://www.kaggle.com/competitions/{slug}",
            "title": slug.replace("-", " "),
            "userHasEntered": slug in self.rules_accepted,
            "isKernelsSubmissionsOnly": slug in self.code_competitions,
        }

    def ListCompetitions(self, request: Json) -> Json:
        """Competitions whose slug contains the search term."""
        return {"competitions": [self._described(slug) for slug in self.files if request.get("search", "") in slug]}

    def GetCompetition(self, request: Json) -> Json:
        """One competition, and whether it accepts notebooks only."""
        slug = request.get("competitionName", "")
        if slug not in self.files:
            raise RefusedError(403, "Permission 'competitions.get' was denied")
        return self._described(slug)

    def ListDataFiles(self, request: Json) -> Json:
        """The files in the competition's zip; the rules need not be accepted."""
        content = self.files.get(request.get("competitionName", ""))
        if content is None:
            raise RefusedError(403, "Permission 'competitions.get' was denied")
        files = []
        for entry in zipfile.ZipFile(io.BytesIO(content)).infolist():
            described = {"ref": entry.filename, "name": entry.filename, "creationDate": _date(self.last_modified)}
            files.append({**described, "totalBytes": entry.file_size} if entry.file_size else described)
        return paged("files", files, request)

    def _redirect(self, name: str, content: bytes) -> Answer:
        path = self.signed("files", name)
        self.downloads[path] = content
        return Answer(302, b"", {"Location": f"{self.address}{path}?X-Goog-Signature=0123456789abcdef"})

    def DownloadDataFiles(self, request: Json) -> Answer:
        """The address of the whole zip."""
        slug = self._entered(request)
        return self._redirect(f"{slug}.zip", self.wrong_zip.pop(0) if self.wrong_zip else self.files[slug])

    def DownloadDataFile(self, request: Json) -> Answer:
        """The address of one file."""
        archive = zipfile.ZipFile(io.BytesIO(self.files[self._entered(request)]))
        name = request.get("fileName", "")
        if name not in archive.namelist():
            raise RefusedError(404, f"File not found: {name}")
        return self._redirect(name.rpartition("/")[2], archive.read(name))

    # Competitions: submitting

    def StartSubmissionUpload(self, request: Json) -> Json:
        """The address for the upload; a code competition refuses the submission only afterwards."""
        self._entered(request)
        return self.start_upload(request["fileName"])

    def CreateSubmission(self, request: Json) -> Json:
        """Submit the uploaded file."""
        slug, content = self._entered(request), self.uploaded(request.get("blobFileTokens", ""))
        if slug in self.code_competitions:
            message = "Submission not allowed: This competition only accepts Submissions from Notebooks."
            raise RefusedError(400, message, "FAILED_PRECONDITION")
        return self._submitted(slug, self.blobs[request["blobFileTokens"]], content, request)

    def CreateCodeSubmission(self, request: Json) -> Json:
        """Submit an output file of a version of a notebook that has run without internet."""
        slug, kernel = self._entered(request), f"{request.get('kernelOwner')}/{request.get('kernelSlug')}"
        versions = self.kernels.get(kernel, [])
        number = request.get("kernelVersion", len(versions))
        if not 1 <= number <= len(versions):
            raise RefusedError(404, f"Kernel not found: {kernel}, version {number}")
        version, name = versions[number - 1], request.get("fileName", "")
        if version["statuses"] != ["COMPLETE"]:
            raise RefusedError(400, "The notebook has not finished running.", "FAILED_PRECONDITION")
        if version["request"].get("enableInternet") or name not in self.kernel_files:
            reason = "has internet access" if version["request"].get("enableInternet") else f"has no output file {name}"
            raise RefusedError(400, f"Submission not allowed: your notebook {reason}.", "FAILED_PRECONDITION")
        answer = self._submitted(slug, name, self.kernel_files[name], request)
        self.submissions[-1]["kernel"] = (kernel, number)
        return answer

    def _submitted(self, slug: str, name: str, content: bytes, request: Json) -> Json:
        if self.limits["numAllowedNow"] <= 0:
            message = "Submission not allowed: Your team has used its daily Submission allowance today."
            raise RefusedError(400, message, "FAILED_PRECONDITION")
        for key, step in (("numToday", 1), ("numTotal", 1), ("numAllowedNow", -1)):
            self.limits[key] += step
        submission = {
            "ref": 50_000_001 + len(self.submissions),
            "date": _date(datetime.now(UTC)),
            "fileName": name,
            "description": request.get("submissionDescription", ""),
            "status": "PENDING",
            "publicScore": "",
            "privateScore": "",
            "errorDescription": "",
            "totalBytes": len(content),
        }
        self.submissions.append({**submission, "competition": slug, "content": content, "waits": self.score_after})
        return {"message": f"Successfully submitted to {slug}", "ref": submission["ref"]}

    def GetSubmissionLimits(self, request: Json) -> Json:
        """How many submissions are left."""
        self._entered(request)
        return dict(self.limits)

    def ListSubmissions(self, request: Json) -> Json:
        """Submissions to a competition, the newest first; each poll brings them nearer to their score."""
        slug = self._entered(request)
        mine = [submission for submission in self.submissions if submission["competition"] == slug]
        for submission in mine:
            if submission["status"] == "PENDING" and submission["waits"] <= 0:
                self._judge(submission)
            submission["waits"] -= 1
        inner = ("competition", "content", "kernel", "waits")
        listed = [{key: value for key, value in one.items() if key not in inner} for one in reversed(mine)]
        return paged("submissions", listed, request)

    def _judge(self, submission: Json) -> None:
        if self.submission_error is not None:
            submission.update(status="ERROR", errorDescription=self.submission_error)
            return
        public, private = self.score(submission["content"])
        submission.update(status="COMPLETE", publicScore=public, privateScore=private)


def _date(moment: datetime) -> str:
    """A date with seven decimals of a second, as .NET writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"
