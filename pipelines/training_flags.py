"""Flags of training, search and conversion."""

from __future__ import annotations

from absl import flags

from aec_ofa_tf.tagging.model_file import IO_TYPES

OBJECTIVES = ("labels", "distill")
INITS = ("random", "supernet")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
SAMPLERS = ("uniform", "sandwich", "largest")
TEACHERS = ("cache", "online", "largest")
EXECUTIONS = ("slices", "masks")
STRATEGIES = ("none", "mirrored", "multiworker")
ALGORITHMS = ("exhaustive", "random", "evolutionary")
SCHEDULES = ("constant", "cosine")


def define_workdir_flag() -> None:
    """The directory of the experiment."""
    flags.DEFINE_string("workdir", None, "Directory of one experiment.")


def define_space_flags() -> None:
    """Search space and the static parts of the network."""
    flags.DEFINE_string(
        "space",
        "[2,2,X]",
        "Search space: depths of blocks 2 to 4, X where elastic ([2,2,X], [X,X,X], [2,X,X], ...), "
        "or EW for elastic width only with the added ratio 0.2.",
    )
    flags.DEFINE_list("width_ratios", None, "Width ratios in place of the preset's.")
    flags.DEFINE_enum("width_per", "block", ["block", "layer"], "One elastic width per what.")
    flags.DEFINE_integer("width_multiple", 1, "Round widths to a multiple of this (8 for int8).", 1)
    flags.DEFINE_integer("base_channels", 64, "Channels of the first block; each next doubles.", 1)
    flags.DEFINE_bool("pool_last", False, "Pool after the supernet's last block too, as PANNs do.")
    flags.DEFINE_float("block_dropout", 0.2, "Dropout rate after each block.")
    flags.DEFINE_float("embedding_dropout", 0.5, "Dropout rate before the fully-connected layer.")


def define_training_flags() -> None:
    """Stages of training; the defaults are the paper's."""
    flags.DEFINE_integer("teacher_base_channels", 64, "Channels of the teacher's first block.", 1)
    flags.DEFINE_integer("teacher_steps", 400_000, "Steps of the teacher.", 1)
    flags.DEFINE_integer("largest_steps", 100_000, "Steps of phase 1, the largest subnet alone.", 0)
    flags.DEFINE_integer("supernet_steps", 200_000, "Steps of phase 2, K sampled subnets each.", 1)
    flags.DEFINE_integer("subnets_per_step", 4, "K, the subnets sampled in a step of phase 2.", 1)
    flags.DEFINE_enum(
        "supernet_init",
        "random",
        ["random", "teacher"],
        "What the supernet starts from; the teacher needs the same widths.",
    )
    flags.DEFINE_float("learning_rate", 1e-3, "Adam's learning rate.", 1e-12)
    flags.DEFINE_enum("schedule", "constant", SCHEDULES, "Decay of the learning rate to 0.")
    flags.DEFINE_enum("precision", "auto", PRECISIONS, "auto: bfloat16 where the CPU has it.")
    flags.DEFINE_enum(
        "sampler",
        "uniform",
        SAMPLERS,
        "Subnets of a step of phase 2: K independent draws; sandwich: the largest, the smallest "
        "and K - 2 draws; or the largest alone.",
    )
    flags.DEFINE_enum(
        "distill_from",
        "cache",
        TEACHERS,
        "What the subnets learn from: cache: the teacher's outputs for clean clips, computed "
        "once; online: the teacher run on the clips that the students hear; largest: the largest "
        "subnet of the step, which learns the labels (in-place distillation, with "
        "--sampler=sandwich).",
    )
    flags.DEFINE_float("mixup_alpha", 1.0, "Mixup, Beta(alpha, alpha); 0 for none.", 0.0)
    flags.DEFINE_bool("student_mixup", False, "Mix the students' clips and soft labels too.")
    flags.DEFINE_bool("time_roll", False, "Rotate training clips over time.")
    flags.DEFINE_float("gain_db", 0.0, "Make training clips louder or softer by up to this.", 0.0)
    flags.DEFINE_float(
        "label_weight", 0.0, "Share of the true label in the students' target.", 0, 1
    )
    flags.DEFINE_integer("time_mask_frames", 64, "SpecAugment's T.", lower_bound=1)
    flags.DEFINE_integer("mel_mask_bins", 8, "SpecAugment's F.", lower_bound=1)
    flags.DEFINE_integer("checkpoint_every", 200, "Steps between checkpoints.", lower_bound=1)
    flags.DEFINE_integer("summary_every", 20, "Steps between scalars.", lower_bound=1)
    flags.DEFINE_integer("validate_every", 0, "Steps between validations; 0: at the end only.", 0)


def define_device_flags() -> None:
    """Where and how steps run. Results are the same up to rounding."""
    flags.DEFINE_enum(
        "execution",
        "slices",
        EXECUTIONS,
        "slices: compute only a subnet's channels; masks: compute all and zero the rest, which "
        "keeps shapes static, as --jit_compile needs.",
    )
    flags.DEFINE_bool("jit_compile", False, "Compile forward and backward passes with XLA.")
    flags.DEFINE_enum(
        "strategy",
        "none",
        STRATEGIES,
        "none: one device; mirrored: all GPUs of this host; multiworker: the hosts in TF_CONFIG, "
        "which share --data_dir and --workdir. --batch_size is divided among the devices.",
    )
    flags.DEFINE_integer(
        "logical_cpus", 1, "See the CPU as so many devices, to try --strategy=mirrored.", 1
    )


def define_evaluation_flags(batch_size: int | None = None, clips: int | None = None) -> None:
    """What every program that runs networks needs; without defaults, those of the run apply."""
    otherwise = "" if batch_size else " By default that of the run."
    flags.DEFINE_integer("batch_size", batch_size, f"Clips per step.{otherwise}", 1)
    flags.DEFINE_integer(
        "calibration_clips", clips, f"Training clips for batch-norm statistics.{otherwise}", 1
    )


def define_subnet_flag() -> None:
    """Which subnet is meant."""
    flags.DEFINE_string(
        "subnet", None, "largest, smallest, a width ratio, or widths such as 64x2-51x2-102x2-204x1."
    )


def define_subnet_training_flags() -> None:
    """One subnet trained alone: the paper's baselines and fine-tuning."""
    flags.DEFINE_enum("objective", "distill", OBJECTIVES, "What --stages=subnet learns from.")
    flags.DEFINE_enum("init", "random", INITS, "What --stages=subnet starts from.")
    flags.DEFINE_integer("steps", 100_000, "Steps of --stages=subnet.", lower_bound=1)


def define_search_flags() -> None:
    """Budgets and the search for each."""
    flags.DEFINE_multi_string(
        "budget",
        [],
        "What a subnet may cost, e.g. 'params<=0.8M' or 'macs<=4G,tflite_bytes<=3M'.",
    )
    flags.DEFINE_multi_float(
        "params", [], "The paper's budget: so many parameters, give or take --tolerance.", 1.0
    )
    flags.DEFINE_float("tolerance", 0.2e6, "Half the width of each range that --params names.", 0.0)
    flags.DEFINE_string(
        "latency_table",
        None,
        "A device's layer times, for budgets on latency_ms: what pipelines.profile_device writes.",
    )
    flags.DEFINE_enum(
        "algorithm",
        "exhaustive",
        ALGORITHMS,
        "exhaustive: every subnet of a budget; random: the paper's sample of --population; "
        "evolutionary: --generations of --population bred by NSGA-II, for very large "
        "spaces.",
    )
    flags.DEFINE_integer("population", 25, "Candidates per budget, or per generation.", 1)
    flags.DEFINE_integer("generations", 10, "Generations of --algorithm=evolutionary.", 1)
    flags.DEFINE_string(
        "storage",
        None,
        "Optuna's database of --algorithm=evolutionary; several searchers may share one. Default: "
        "SQLite in the workdir.",
    )
    flags.DEFINE_integer(
        "search_memory_mib",
        2048,
        "Memory for clips and scores. Clips that do not fit are read again in every walk; the "
        "scores of one subnet and the activations of one batch are held in any case.",
        1,
    )
    flags.DEFINE_integer(
        "subnets_per_walk",
        32,
        "Subnets evaluated in a walk of their tree: more share more, fewer are lost by a kill.",
        1,
    )
    flags.DEFINE_integer(
        "bootstrap_resamples", 200, "Resamples for the interval of the winners' mAP.", 100
    )
    flags.DEFINE_bool(
        "rank_correlation",
        False,
        "Also rank the candidates by fewer clips and without recalibration, and compare.",
    )


def define_subspace_flags() -> None:
    """The part of a trained space to search."""
    flags.DEFINE_string("space", None, "Part of the trained space, such as [2,2,2]; default: all.")
    flags.DEFINE_list("width_ratios", None, "Width ratios to search; default: the trained ones.")


def define_conversion_flags() -> None:
    """Which files are made of a subnet."""
    flags.DEFINE_list("input", ["log_mel"], "Inputs of the TFLite files: log_mel, waveform.")
    flags.DEFINE_list(
        "quantization", ["float32"], "Quantisations: float32, float16, dynamic, int8, int8_qat."
    )
    flags.DEFINE_enum(
        "io_type",
        "float32",
        IO_TYPES,
        "Type of the tensors at both ends; int8 is for --input=log_mel and int8 networks, and "
        "makes files of their own names beside the others.",
    )
    flags.DEFINE_integer("parity_clips", 100, "Clips for the comparison with Keras.", lower_bound=1)
    flags.DEFINE_float(
        "max_map_drop",
        0.05,
        "How far the mAP of a dynamic, int8 or int8_qat file may fall below Keras' on these clips; "
        "beyond it the conversion fails.",
        0.0,
    )
    flags.DEFINE_integer("representative_clips", 100, "Clips for int8 scales.", lower_bound=1)
    flags.DEFINE_integer("qat_steps", 300, "Steps of fine-tuning for int8_qat.", 1)
    flags.DEFINE_float("qat_learning_rate", 1e-4, "Its first learning rate; falls to 0.", 1e-12)
    flags.DEFINE_integer("qat_batch_size", 16, "Clips of a step of it.", 1)
    flags.DEFINE_integer("qat_clips", 1024, "Training clips that it is given.", 1)
