"""Datasets, classifiers and public weights (datasets.yaml, classifiers.yaml, checkpoints.yaml)."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atop.experiment.settings.base import (
    Count,
    Name,
    Positive,
    Settings,
    Sha256,
    require_one,
)


class SplitHashes(Settings):
    """A hash of each split; null where it is unknown."""

    train: Sha256 | None
    test: Sha256 | None


class DatasetSpec(Settings):
    """A row of datasets.yaml, which says what each key means."""

    about: str
    part_of: str | None = None
    source: str
    classes: Annotated[int, Field(ge=2)]
    pixels: Positive
    train_size: Positive
    validation: Count
    test_size: Positive
    shift: Count
    sha256: SplitHashes
    images: SplitHashes


Weights = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")]


class ClassifierSpec(Settings):
    """A row of classifiers.yaml, which says what each key means."""

    about: str
    family: Name
    pixels: Positive | None = None
    options: dict[str, Any] = {}
    weights: dict[str, Annotated[list[Weights], Field(min_length=1)]] = {}
    training: Literal["standard", "adversarial", "never"] = "standard"
    inside: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.external:
            if not isinstance(self.options.get("file"), str):
                raise ValueError("options: family external needs the `file` that makes the module")
            if self.weights or self.training != "never":
                raise ValueError("family external has `training: never` and no `weights`")
        elif self.inside:
            raise ValueError("inside: the classifier inside of family external only")
        return self

    @property
    def external(self) -> bool:
        """Whether a file of the user's makes it (atop/method/classifiers/external.py)."""
        return self.family == "external"

    @property
    def files(self) -> list[str]:
        """The files of an external one: Python, then those that it reads."""
        return [self.options["file"], *self.options.get("files", ())] if self.external else []


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
RowName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
# Below a folder, never out of it.
Inside = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")]


class CheckpointSpec(Settings):
    """A row of checkpoints.yaml, which says what each key means."""

    nullable = ("bytes", "estimate")

    about: str
    file: Inside | None = None
    also: list[Inside] = []
    google_drive: Id | None = None
    google_drive_folder: Id | None = None
    url: Annotated[str, StringConstraints(pattern=r"^https?://")] | None = None
    package: Inside | None = None
    member: Inside | None = None
    content: Literal["unknown"] | None = None
    sha256: Sha256 | None
    bytes: Positive | None = None
    estimate: Positive | None = None
    licence: str
    otherwise: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "google_drive", "google_drive_folder", "url", "package")
        for path in (self.file, self.package, self.member, *self.also):
            if path and ".." in path:
                raise ValueError(f"'{path}' leads out of its folder")
        if self.package and (self.file or self.member or self.also):
            raise ValueError("what is installed has no file, member or also")
        if self.content:
            if not self.google_drive_folder or self.file or self.member or self.also:
                raise ValueError("content: unknown is for a google_drive_folder without files")
            return self
        if not (self.package or self.file):
            raise ValueError("'file' is a required property")
        if self.google_drive_folder and not self.member:
            raise ValueError("a google_drive_folder needs a member")
        return self

    @classmethod
    def of_file(cls, file: str) -> "CheckpointSpec":
        """A file that no row names, so that nothing else is known about it."""
        return cls.model_construct(file=file, sha256=None)


Datasets = dict[Name, DatasetSpec]
Classifiers = dict[Name, ClassifierSpec]
Checkpoints = dict[RowName, CheckpointSpec]
Transforms = dict[Name, dict[str, Any]]
"""transforms.yaml: options of atop/method/transforms/NAME.py, which checks them itself."""
