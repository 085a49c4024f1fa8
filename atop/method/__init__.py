"""The paper's method: transforms, purifiers, classifiers, attacks, and the defence."""
