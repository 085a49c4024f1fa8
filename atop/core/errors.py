"""The exception that users see."""


class AtopError(Exception):
    """An error that the user can fix: one line that names the file, the key and the fix."""
