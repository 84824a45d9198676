"""What the two signs do to the policy: closed-form token gradients, the token microscope, statistics by sign and verdict."""
