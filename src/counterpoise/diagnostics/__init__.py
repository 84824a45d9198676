"""What a run records about itself, per sign and per verdict."""
