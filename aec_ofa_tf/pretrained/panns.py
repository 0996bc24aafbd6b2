"""PANNs' `Cnn10` checkpoints (Kong et al. 2020) as plain Keras models."""

from __future__ import annotations

from aec_ofa_tf.models.cnn10.network import Cnn10Network
from aec_ofa_tf.models.cnn10.space import Cnn10Space, cnn10_subnet
from aec_ofa_tf.models.materialise import build_plain
from aec_ofa_tf.models.network import INPUT_NORM
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.pretrained.torch_files import StateDict

_BLOCKS = 4
_FRONT_END = ("num_batches_tracked", "spectrogram_extractor.stft.conv_real.weight",
              "spectrogram_extractor.stft.conv_imag.weight", "logmel_extractor.melW")  # fmt: skip


def panns_subnet(state: StateDict) -> Subnet:
    """The shape of the network of a checkpoint.

    Raises:
        CheckpointError: the checkpoint is of another network.
    """
    convolutions = [
        [state.shape(f"conv_block{block}.conv{number}.weight")[0] for number in (1, 2)]
        for block in range(1, _BLOCKS + 1)
    ]
    return cnn10_subnet(convolutions)


def panns_space(state: StateDict) -> Cnn10Space:
    """The paper's search space at the base width of a checkpoint.

    Raises:
        CheckpointError: the checkpoint is of another network.
    """
    return Cnn10Space(base_channels=panns_subnet(state).choices[0][0])


def panns_model(
    state: StateDict, frames: int, mel_bins: int, task: str
) -> tuple[keras.Model, Cnn10Network]:
    """A plain Keras model with the weights of a checkpoint.

    Args:
        state: the checkpoint.
        frames: frames of a clip's log-mel.
        mel_bins: mel bins of the front end.
        task: name of what the outputs mean.

    Returns:
        A model from log-mel in dB to scores, and its network, which pools after the last block.

    Raises:
        CheckpointError: the checkpoint is of another network.
    """
    subnet = panns_subnet(state)
    units, _ = state.shape("fc1.weight")
    classes, _ = state.shape("fc_audioset.weight")
    network = Cnn10Network(classes, frames, mel_bins=mel_bins, task=task, embedding_units=units,
                           pool_last=True)  # fmt: skip
    model = build_plain(subnet, network)
    _fill_norm(model, INPUT_NORM, state, "bn0")
    for block in range(1, _BLOCKS + 1):
        for number in (1, 2):
            layer = model.get_layer(f"block{block}_conv{number}")
            time, mel, channels_in, channels_out = layer.get_weights()[0].shape
            name = f"conv_block{block}.conv{number}.weight"
            # There the first spatial axis is time, as here.
            kernel = state.take(name, (channels_out, channels_in, time, mel))
            layer.set_weights([kernel.transpose(2, 3, 1, 0)])
            place = f"conv_block{block}.bn{number}"
            _fill_norm(model, f"block{block}_norm{number}", state, place)
    for layer_name, place in (("embedding", "fc1"), ("classifier", "fc_audioset")):
        layer = model.get_layer(layer_name)
        channels_in, channels_out = layer.get_weights()[0].shape
        kernel = state.take(f"{place}.weight", (channels_out, channels_in)).T
        layer.set_weights([kernel, state.take(f"{place}.bias", (channels_out,))])
    state.check_all_taken(_FRONT_END)
    return model, network


def _fill_norm(model: keras.Model, name: str, state: StateDict, place: str) -> None:
    layer = model.get_layer(name)
    layer.set_weights(state.take_norm(place, layer.get_weights()[0].shape))
