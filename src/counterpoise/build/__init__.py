"""From a run file's names and settings to objects: problems, credit, loss and judge, which every engine and every command begins with.

Nothing here imports torch or reads a model, so that a slip of the pen costs half a second.
"""
