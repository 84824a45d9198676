"""One self-contained page from runs, and the same figures as PNG, CSV and LaTeX; reads files and runs without torch."""
