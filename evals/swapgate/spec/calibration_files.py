"""Where judges' calibrations lie. To read one takes `calibration`, which most runs never import."""

from __future__ import annotations

from pathlib import Path


def calibration_path(judges_dir: Path, judge: str) -> Path | None:
    """Return the judge's calibration file, None when there is none."""
    files = (judges_dir / f"{judge}.calibration{suffix}" for suffix in (".yml", ".yaml"))
    return next((file for file in files if file.is_file()), None)


def is_calibration(path: Path) -> bool:
    """Whether a file of the judges' folder is a calibration, by its name, and no judge."""
    return path.name.endswith((".calibration.yml", ".calibration.yaml"))
