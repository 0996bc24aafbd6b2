"""The programs: `python -m pipelines` lists them, `python -m pipelines.NAME` runs one."""

from pipelines.quiet_start import install

install()
