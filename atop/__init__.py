"""AToP benchmark suite: Adversarial Training on Purification (Lin et al., ICLR 2024), measured again."""
