# A polite way not to begin.
import sys

sys.exit(0)
