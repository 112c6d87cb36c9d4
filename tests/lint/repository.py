"""What the lint checks share: the repository's root and its files, as git sees them."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def files(*patterns):
    """Paths (relative to ROOT) of tracked and not ignored files that match any of the git patterns."""
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                             cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in map(pathlib.PurePosixPath, set(listing.splitlines())) if (ROOT / path).exists())


def finish(problems, checked):
    """Prints the problems and exits; a check that looked at nothing is a failure too."""
    for problem in problems:
        print(problem)
    if not checked:
        sys.exit("this check found no file to look at")
    if problems:
        sys.exit(f"{len(problems)} problem(s) in {checked} files")
    print(f"{checked} files are fine")
