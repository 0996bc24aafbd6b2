"""What a record contains. No TensorFlow here: configurations are made before it is needed."""

from __future__ import annotations

from dataclasses import dataclass

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.io.lengths import MAX_MISSING_SHARE

PAYLOADS = ("log_mel", "audio")


@dataclass(frozen=True)
class ClipFormat:
    """How a decoded clip becomes a record.

    Attributes:
        clip_samples: length of a clip.
        length_policy: how a clip of another length is fitted (`decode.fit_length`).
        payload: "log_mel" or "audio".
        front_end: the parameters of the log-mel, with the sample rate.
        float_scale: full scale of floating-point recordings (`decode.decode`).
        max_missing_audio: largest share of a recording that may be missing at its end.
    """

    clip_samples: int
    length_policy: str
    payload: str
    front_end: FrontEndConfig
    float_scale: str = "as_is"
    max_missing_audio: float = MAX_MISSING_SHARE
