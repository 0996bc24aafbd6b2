"""What one unit of a subnet costs: the numbers that all costs are sums of. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Matrix:
    """The weights of a convolution or of a dense layer.

    Attributes:
        rows: inputs of one output: kernel taps times input channels.
        columns: outputs.
        vectors: trained values per column besides: 1 for a bias, 2 for the scale and shift of a
            batch norm, of which a file keeps one bias.
        per_channel: whether every column is quantised by itself, as convolutions are, or the
            matrix as a whole, as dense layers are.
    """

    rows: int
    columns: int
    vectors: int
    per_channel: bool

    @property
    def elements(self) -> int:
        """Weights of the matrix itself."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Operator:
    """One operation of a converted file, batch norms folded.

    Attributes:
        name: the Keras layer that it comes from.
        activations: elements that it reads and writes, constants apart.
        matrix: its weights, if it has a matrix of them.
        positions: how often the matrix is applied to one clip.
        constants: trained values without a matrix, such as a batch norm that cannot be folded.
        held: elements that must stay alive meanwhile, such as the input of a residual connection.
    """

    name: str
    activations: int
    matrix: Matrix | None = None
    positions: int = 1
    constants: int = 0
    held: int = 0

    @property
    def params(self) -> int:
        """Trained values."""
        matrix = self.matrix
        return self.constants + (matrix.elements + matrix.vectors * matrix.columns if matrix else 0)

    @property
    def macs(self) -> int:
        """Multiply-adds of the matrix for one clip."""
        return self.positions * self.matrix.elements if self.matrix else 0


@dataclass(frozen=True, order=True)
class LayerRow:
    """What a device computes in one go; equal rows take equal time.

    Attributes:
        kind: what it is, for example "convolution".
        sizes: (name, value) of everything that its time depends on, sorted by name.
        operators: what it consists of; not compared, since kind and sizes determine their sizes.
    """

    kind: str
    sizes: tuple[tuple[str, int], ...]
    operators: tuple[Operator, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def make(cls, kind: str, operators: tuple[Operator, ...] = (), **sizes: int) -> LayerRow:
        """The row of a kind with sizes by name."""
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
        """The greatest number of elements that are alive at an operator."""
        return max(operator.activations + operator.held for operator in self.operators)

    @cached_property
    def known_bytes(self) -> dict[str, int]:
        """Bytes in a file by quantisation, as far as `costs` has counted them."""
        return {}
