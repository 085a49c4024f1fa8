"""The one exception that people see."""


class AtopError(Exception):
    """Something that a person can mend: one line that names the file, the key and the fix."""
