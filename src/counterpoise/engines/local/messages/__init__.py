"""What a run says: before it begins, of its base, and how long it will take."""
