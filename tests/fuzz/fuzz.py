r"""Look for texts that break an extractor or a normaliser, guided by coverage (atheris, extra `fuzz`).

    python tests/fuzz/fuzz.py --seconds 60             every target, a minute each
    python tests/fuzz/fuzz.py --seconds 600 words      one of them
    python tests/fuzz/fuzz.py --target words FILE      one input again

What breaks a target is written to build/fuzz/<target>/; what reaches new code is kept there too, and the next run begins with it.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE.parents[1] / "build" / "fuzz"
LIMITS = ("-timeout=5", "-rss_limit_mb=1024", "-max_len=16384", f"-dict={HERE / 'markers.dict'}")
"""Seconds for one input, mebibytes, bytes of an input, and what answers are marked with."""


def main() -> int:
    """0 when nothing was found, 1 when something was, 2 where atheris is missing."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    arguments.add_argument("targets", nargs="*", help="names; all where none is given")
    arguments.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments.add_argument("--found", type=Path, default=FOUND, help="where to keep inputs")
    arguments.add_argument("--target", help=argparse.SUPPRESS)
    given, rest = arguments.parse_known_args()
    try:
        import atheris
    except ImportError:
        print("atheris is not installed; it exists for Linux on x86-64, Python 3.11 to 3.13: pip install -e '.[fuzz]'")
        return 2
    with atheris.instrument_imports(include=["counterpoise.verifiers", "targets"]):
        from targets import TARGETS, everything, text_of
    checks = TARGETS | {"everything": everything}
    names = [given.target] if given.target else given.targets or list(TARGETS)
    if unknown := set(names) - set(checks):
        print(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(checks)}")
        return 2
    if given.target:
        check = checks[given.target]
        atheris.Setup([sys.argv[0], *rest, *given.targets], lambda data: check(text_of(data)))
        atheris.Fuzz()
    return max([_run(name, given.seconds, given.found / name) for name in names])


def _run(name: str, seconds: int, found: Path) -> int:
    """One target in a process of its own, which libFuzzer ends."""
    kept = found / "corpus"
    kept.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}/", *LIMITS]
    command = [sys.executable, __file__, "--target", name, *options, str(kept), str(HERE / "corpus")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    runs = re.search(r"Done (\d+) runs in (\d+) second", done.stdout)
    if done.returncode == 0 and runs:
        print(f"{name}: {runs[1]} inputs in {runs[2]} s, nothing found", flush=True)
        return 0
    print(f"{name}: see {found}\n{done.stdout[-3000:]}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
