# Endless lines to whoever listens.
import os

while True:
    os.write(3, b'["l","returned",true]\n' * 1000)
