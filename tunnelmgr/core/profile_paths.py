"""Where profiles are: from the word on the command line to a file."""

from pathlib import Path


def find_profile(word: str) -> Path:
    """Return the file `word` means: a path when it contains "/" or ends in .yaml or .yml, else a name.

    Raises TunnelError NO_PROFILE naming the folders searched and names that are close.
    """
    raise NotImplementedError(word)
