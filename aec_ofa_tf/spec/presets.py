"""The paper's search spaces by name (section 4.1)."""

from __future__ import annotations

from aec_ofa_tf.spec.space import PAPER_RATIOS, SearchSpace

EW_ONLY = "EW"
EW_ONLY_RATIOS = (0.2, *PAPER_RATIOS)


def search_space(
    name: str,
    base_channels: int = 64,
    width_per: str = "block",
    width_multiple: int = 1,
    width_ratios: tuple[float, ...] | None = None,
) -> SearchSpace:
    """The space called `name`: depths such as `[2,2,X]` or `2,2,X`, or `EW`.

    `EW` is elastic width only, with the added ratio 0.2; every other name says for each dynamic
    block whether its depth is elastic (X) or fixed (2).

    Raises:
        ValueError: the name is neither.
    """
    if name.strip().upper() in (EW_ONLY, "EW-ONLY"):
        return SearchSpace(
            ("2", "2", "2"),
            base_channels,
            width_ratios or EW_ONLY_RATIOS,
            width_per,
            width_multiple,
        )
    depths = tuple(part.strip().upper() for part in name.strip().strip("[]").split(","))
    if len(depths) != 3 or not set(depths) <= {"2", "X"}:
        raise ValueError(
            f"unknown search space {name!r}: expected 'EW' or three depths that are 2 or X, "
            "for example [2,2,X]"
        )
    return SearchSpace(
        depths, base_channels, width_ratios or PAPER_RATIOS, width_per, width_multiple
    )
