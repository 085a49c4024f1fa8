"""Training: the classifier, the purifier's own loss, and AToP, all driven by one resumable loop."""
