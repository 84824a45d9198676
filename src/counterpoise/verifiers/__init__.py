"""What says right, wrong or unscored: one method per file."""
