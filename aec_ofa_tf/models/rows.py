"""The sizes of one unit of a subnet, from which all costs follow. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Matrix:
    """The weights of a convolution or of a dense layer.

    Attributes:
        rows: weights per output: kernel taps times input channels.
        columns: output channels.
        vectors: other trained values per column: 1 for a bias, 2 for a batch norm's scale and
            shift, which become one bias in a file.
        per_channel: whether every column has its own quantisation scale, as in convolutions, or
            the matrix has one, as in dense layers.
    """

    rows: int
    columns: int
    vectors: int
    per_channel: bool

    @property
    def elements(self) -> int:
        """Number of weights in the matrix."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Operator:
    """One operation of a converted file, in which batch norms are folded.

    Attributes:
        name: name of its Keras layer.
        activations: elements that it reads and writes, without constants.
        matrix: its weight matrix, if it has one.
        positions: number of times that the matrix is applied to one clip.
        constants: trained values outside a matrix, such as a batch norm that cannot be folded.
        held: other elements that stay in memory meanwhile, such as a residual unit's input.
    """

    name: str
    activations: int
    matrix: Matrix | None = None
    positions: int = 1
    constants: int = 0
    held: int = 0

    @property
    def params(self) -> int:
        """Number of trained values."""
        matrix = self.matrix
        return self.constants + (matrix.elements + matrix.vectors * matrix.columns if matrix else 0)

    @property
    def macs(self) -> int:
        """Multiply-adds of the matrix for one clip."""
        return self.positions * self.matrix.elements if self.matrix else 0


@dataclass(frozen=True, order=True)
class LayerRow:
    """A layer whose latency is measured as a whole; equal rows have equal latencies.

    Attributes:
        kind: kind of layer, for example "convolution".
        sizes: (name, value) of everything that its latency depends on, sorted by name.
        operators: its operators; not compared, since kind and sizes determine their sizes.
    """

    kind: str
    sizes: tuple[tuple[str, int], ...]
    operators: tuple[Operator, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def make(cls, kind: str, operators: tuple[Operator, ...] = (), **sizes: int) -> LayerRow:
        """A row from its kind and its sizes by name."""
        return cls(kind, tuple(sorted(sizes.items())), operators)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {value}" for name, value in self.sizes)
        return f"{self.kind} with {sizes}"

    @cached_property
    def params(self) -> int:
        """Trainable weights; the moving statistics of batch norms are not trainable."""
        return sum(operator.params for operator in self.operators)

    @cached_property
    def macs(self) -> int:
        """Multiply-adds for one clip."""
        return sum(operator.macs for operator in self.operators)

    @cached_property
    def peak_elements(self) -> int:
        """The greatest number of activations in memory at any operator."""
        return max(operator.activations + operator.held for operator in self.operators)

    @cached_property
    def known_bytes(self) -> dict[str, int]:
        """Bytes in a file by quantisation, and in an arena: a cache that `costs` fills."""
        return {}
