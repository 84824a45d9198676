"""What sources and generators have in common: records of files, splits, identity by content, the golds of programs."""
