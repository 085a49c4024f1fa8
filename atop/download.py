"""Public weights: fetched once, whole or not at all, refused if they are something else."""

from pathlib import Path

import gdown

from atop import checkpoints, config, paths
from atop.errors import AtopError
from atop.files import sha256, writing


def fetch_weights(purifier: str, init: str) -> Path:
    """Fetch the row PURIFIER-INIT of weights.yaml.

    Raises:
        AtopError: unreachable (the message names `init: scratch`), or not a checkpoint, as when a
            host answers with a page about its quota.
    """
    name = f"{purifier}-{init}"
    row = config.weights(name)
    path = paths.public(purifier, init)
    with writing(path) as temporary:
        try:
            gdown.download(id=row["google_drive"], output=str(temporary), quiet=False)
            checkpoints.verify(temporary, row["sha256"])
            checkpoints.read(temporary)
        except Exception as error:  # gdown lets its HTTP library's errors through
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            # Of a file that came but is none: what is wrong with it, not its name of the moment.
            reason = reason.removeprefix(f"{temporary}: ").removesuffix("; delete it and run again")
            raise AtopError(
                f"{name}: the public weights could not be fetched ({reason}); put {row['file']} at "
                f"{path}, or train from nothing with --config init=scratch"
            ) from error
    print(f"{path}: SHA-256 {sha256(path)}")
    return path
