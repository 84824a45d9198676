"""Models by path, id or packaged name, and the recipe of the packaged ones."""
