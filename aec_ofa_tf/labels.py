"""What a label must be so that a TFLite file can hold it. No TensorFlow here.

TFLite files carry their labels as `labels.txt`, a UTF-8 text with a line per label.
"""

from __future__ import annotations

from collections.abc import Iterable


def label_problem(label: object) -> str | None:
    """Why a label cannot be a line of `labels.txt`, or None if it can."""
    if not isinstance(label, str) or not label:
        return "is not a text of at least one character"
    try:
        label.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8 (its name on disk is in another encoding)"
    return None if label.splitlines() == [label] else "contains a line break"


def check_labels(labels: Iterable[object]) -> None:
    """Checks that every label can be a line of `labels.txt`.

    Raises:
        ValueError: a label cannot; the message names the label, its code points and the remedy.
    """
    problems = {label: problem for label in labels if (problem := label_problem(label))}
    for label, problem in problems.items():
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(
            f"the label {label!a}{more} {problem}, so no TFLite file can hold it: a label is one "
            "non-empty line of UTF-8 text; rename the class in the recordings' folder or list"
        )
