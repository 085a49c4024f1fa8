"""The paper: transforms, purifiers, classifiers, attacks, and the defence that they make."""
