from pathlib import Path

from stages.kaggle.journal import Journal


def test_results_are_kept_by_contents(tmp_path: Path) -> None:
    """In another process too; what is forgotten is done again."""
    path = tmp_path / "data/submitted.json"
    journal = Journal(path)
    journal.note("submission", "a", 1)
    journal.note("submission", "b", 2)
    again = Journal(path)
    assert [again.get("submission", key) for key in "abc"] == [1, 2, None]
    again.forget("submission", "a")
    assert [Journal(path).get("submission", key) for key in "ab"] == [None, 2]
    assert [file.name for file in path.parent.iterdir()] == ["submitted.json"]


def test_the_newest_alone(tmp_path: Path) -> None:
    """Of a data set there is one newest version: after that of b, a has to be sent again."""
    journal = Journal(tmp_path / "submitted.json")
    journal.note("dataset", "a", "address", alone=True)
    journal.note("dataset", "b", "address", alone=True)
    assert [journal.get("dataset", key) for key in "ab"] == [None, "address"]
