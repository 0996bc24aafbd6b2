"""The operators of TFLite's micro interpreter, and their lines in its resolver. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable

ETHOS_U = "ethos-u"
"""Name of the custom operator that runs on the NPU."""

_IRREGULAR = {
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    ETHOS_U: "AddEthosU",
}

_NAMES = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_TO_SPACE_ND BROADCAST_ARGS
BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE
DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD
FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D
LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX
MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE
READ_VARIABLE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT
SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV
UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
"""

OPERATORS = frozenset(_NAMES.split())
"""Built-in operators that the interpreter has: all that have been in it for years."""


def resolver_lines(operators: Iterable[str]) -> list[str]:
    """The methods of `MicroMutableOpResolver` that register operators, sorted, without repetitions.

    Args:
        operators: names from `OPERATORS`, or `ETHOS_U`.

    Example:
        >>> resolver_lines(["CONV_2D", "ADD", "CONV_2D"])
        ['AddAdd', 'AddConv2D']
    """
    return sorted({_IRREGULAR.get(name) or _regular(name) for name in operators})


def _regular(name: str) -> str:
    words = name.split("_")
    return "Add" + "".join(w if w[0].isdigit() else w.capitalize() for w in words)
