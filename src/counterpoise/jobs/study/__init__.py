"""A study: one run under several settings (arms), several seeds, and where wanted on several beds and at several values of an axis."""

from counterpoise.jobs.study.file import StudyFile, load_study
from counterpoise.jobs.study.runs import Study, StudyRun

__all__ = ["Study", "StudyFile", "StudyRun", "load_study"]
