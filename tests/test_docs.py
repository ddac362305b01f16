"""README.md and docs/ held against the repository: their commands, links, files and quoted output."""

import argparse
import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from docs import pictures, quoted

ROOT = Path(__file__).parents[1]
OTHERS = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES = [*quoted.pages(), *(ROOT / name for name in OTHERS)]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z_-]+):", MAKEFILE, re.MULTILINE))
BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:make|dvc|python -m (?:stages|docs)[^\s`]*)(?: [^`]*)?)`")
SEPARATORS = {"&&", "||", ";", "|", "do", "done", "("}


def page_id(page: Path) -> str:
    """Name of a page in the output of pytest."""
    return page.relative_to(ROOT).as_posix()


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a page's bash blocks and of its prose, split into words, without comments."""
    scripts = [block.replace("\\\n", " ") for block in BLOCK.findall(text)]
    scripts += [words for words in INLINE.findall(text) if not re.search("…|[A-Z]{4} *$", words)]
    for script in scripts:
        for line in script.splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
            lexer.whitespace_split = True
            command: list[str] = []
            for word in [*lexer, ";"]:
                if word in SEPARATORS:
                    if command:
                        yield command
                    command = []
                elif command or "=" not in word:  # assignments before a command are not part of it
                    command.append(word)


def in_page(page: Path) -> list[list[str]]:
    """All commands of one page; CHANGELOG.md, which also names commands as they were, has none."""
    return [] if page.name == "CHANGELOG.md" else list(commands(page.read_text(encoding="utf-8")))


def parser_of(command: str) -> argparse.ArgumentParser:
    """The options of `python -m stages COMMAND`."""
    parser = argparse.ArgumentParser(prog=command)
    importlib.import_module(f"stages.commands.{command}").add_arguments(parser)
    return parser


def refusal(words: list[str]) -> str:
    """Why a command cannot be typed as it stands in a page; empty if it can."""
    match words:
        case ["make", *rest]:
            names = [word.partition("=")[0] for word in rest]
            unknown = [name for name in names if name not in TARGETS and f"$({name})" not in MAKEFILE]
            return f"no such target or variable: {', '.join(unknown)}" if unknown else ""
        case ["python", "-m", "stages", command, *rest] if not command.startswith("-"):
            try:
                with contextlib.redirect_stderr(io.StringIO()) as printed, contextlib.redirect_stdout(io.StringIO()):
                    parser_of(command).parse_args(rest)
            except ModuleNotFoundError:
                return f"no such command: {command}"
            except SystemExit as end:
                return printed.getvalue().strip() if end.code else ""
            return ""
        case ["python", "-m", module, *_] if module.startswith(("stages.", "docs.", "tests.")):
            return "" if (ROOT / f"{module.replace('.', '/')}.py").is_file() else f"no such module: {module}"
        case ["dvc", "repro", *rest]:
            stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
            unknown = [word for word in rest if not word.startswith("-") and word not in stages]
            return f"no such stage: {', '.join(unknown)}" if unknown else ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist_with_their_options(page: Path) -> None:
    """Every command of a page is accepted: targets of make, commands and their options, modules, stages."""
    refused = {shlex.join(words): why for words in in_page(page) if (why := refusal(words))}
    assert refused == {}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_parameters_exist(page: Path) -> None:
    """Every `-S section.key=value` and every `section.key` in backticks is in params.yaml."""
    text = page.read_text(encoding="utf-8")
    given = [words[place + 1] for words in in_page(page) for place, word in enumerate(words[:-1]) if word == "-S"]
    named = re.findall(rf"`((?:{'|'.join(map(str, PARAMS))})\.(?!csv|yaml|zip)[a-z_]+)(?::[^`]*)?`", text)
    changelog = page.name == "CHANGELOG.md"  # which also names keys as they were
    for key in [name.partition("=")[0] for name in given] + ([] if changelog else named):
        section, _, name = key.partition(".")
        assert name in PARAMS[section] if name else section in PARAMS, key


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link and picture is a file of the repository, with the heading that it names."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if heading:
            assert heading in headings(path), target


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_in_backticks_exist(page: Path) -> None:
    """Files of stages/, metrics/, docs/ and tests/, and those at the top; data/ is what a run makes."""
    if page.name == "CHANGELOG.md":  # which also names files as they were
        return
    names = re.findall(r"`((?:stages|metrics|docs|tests|\.ci|\.github)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    exact = {name for name in names if not re.search("NAME|PACKAGE", name)}
    missing = [name for name in exact if not (ROOT / name).exists()]
    assert missing == []


def test_faults_name_their_tests() -> None:
    """Each test module in the table of faults exists; those with a star have tests that run in `make prove`."""
    text = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    modules = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    for name, star in re.findall(r"`(test_\w+)`(\\\*)?", text):
        assert name in modules
        assert not star or "mark.prove" in modules[name], name


@pytest.mark.committed  # a run on another CPU, or an ablation of one's own, changes metrics/
@pytest.mark.parametrize("page", quoted.pages(), ids=page_id)
def test_quoted_output_is_current(page: Path) -> None:
    """What a page quotes is what the command prints from the committed metrics: `python -m docs.quoted` updates it."""
    text = page.read_text(encoding="utf-8")
    assert quoted.update(text) == text


def test_readme_is_short_and_quotes_the_summary() -> None:
    """The first page is read in one sitting, and its figures cannot go stale."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert "<!-- output of: python -m stages summary -->" in text.partition("\n## ")[0]


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links all pages."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"]({page.name})" not in index]
    assert missing == ["README.md"]


def test_committed_pictures_are_those_of_make_pictures() -> None:
    """No picture without a command, and each is shown somewhere."""
    committed = {path.name for path in (ROOT / "docs/pictures").iterdir()}
    assert committed == {file for file, _ in pictures.PICTURES.values()}
    shown = "".join(page.read_text(encoding="utf-8") for page in quoted.pages())
    assert all(f"pictures/{name}" in shown for name in committed)


@pytest.mark.parametrize(
    "command",
    ["python -m stages", "python -m stages check", "python -m docs.pictures --help", "dvc dag --mermaid"],
)
def test_cheap_commands_run(command: str) -> None:
    """Those that neither change nor need anything."""
    words = [sys.executable if word == "python" else word for word in command.split()]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_readme_draws_the_graph_of_dvc() -> None:
    """Every stage of dvc.yaml is in the diagram and in the table of docs/, and the arrows are those of `dvc dag`."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    diagram = text.partition("```mermaid")[2].partition("```")[0]
    table = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8")
    missing = [stage for stage in stages if f"[{stage}<br>" not in diagram or f"`{stage}`" not in table]
    assert missing == []
    drawn = [line.strip().split(" --> ") for line in diagram.splitlines() if " --> " in line]
    arrows = sorted((source, target) for source, targets in drawn for target in targets.split(" & "))
    assert arrows == sorted(dag())


def dag() -> list[tuple[str, str]]:
    """The arrows of `dvc dag`: which stage reads what which other stage writes."""
    command = [sys.executable, "-m", "dvc", "dag", "--mermaid"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = dict(re.findall(r'(node\d+)\["(\w+)"\]', printed))
    return [(names[source], names[target]) for source, target in re.findall(r"(node\d+)-->(node\d+)", printed)]


def test_every_command_is_documented() -> None:
    """Each of `python -m stages` is typed in a page, but for the one that lists the run's figures."""
    typed = {
        words[3] for page in PAGES for words in in_page(page) if words[:3] == ["python", "-m", "stages"] and words[3:]
    }
    assert {path.stem for path in (ROOT / "stages/commands").glob("[a-z]*.py")} <= typed


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_in_pages_runs(page: Path) -> None:
    """Python blocks are doctests: they print what stands below them."""
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        example = doctest.DocTestParser().get_doctest(block, {}, page.name, str(page), 0)
        assert example.examples
        printed_lines = io.StringIO()
        assert doctest.DocTestRunner().run(example, out=printed_lines.write).failed == 0, printed_lines.getvalue()


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved to other code; a commit cannot."""
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        for action in re.findall(r"uses: (\S+)", workflow.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), f"{workflow.name}: {action}"
