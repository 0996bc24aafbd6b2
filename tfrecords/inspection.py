"""Describes a directory of records. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from aec_ofa_tf.description import Description, command, lines, listed
from tfrecords.manifest import MANIFEST_NAME, Manifest, damage, load_manifest

_REJECTED = 3


def holds_records(path: Path) -> bool:
    """Whether a folder is a directory of records."""
    return (path / MANIFEST_NAME).is_file()


def describe_records(data_dir: Path) -> Description:
    """Describes a directory of records from its manifest and the sizes of its files.

    Raises:
        ManifestError: the manifest is damaged, or a file is missing or has another size.
    """
    manifest = load_manifest(data_dir)
    problems = {shard.name: damage(data_dir, shard, read_all=False) for shard in manifest.shards}
    wrong = [f"{name} {problem}" for name, problem in problems.items() if problem]
    configuration, size = manifest.configuration, sum(shard.bytes for shard in manifest.shards)
    counts = [f"{count:,} {split}" for split, count in manifest.clips.items()]
    facts = [
        ("clips", f"{', '.join(counts)}; {_labels_per_clip(manifest)}"),
        ("labels", listed(manifest.labels)),
        ("per label", lines(_balance(manifest))),
        ("content", f"{configuration['payload']}, clips of {configuration['clip_secs']:g} s"),
        ("front end", str(manifest.front_end)),
        *([("bandwidth", lines(_bandwidth(manifest)))] if manifest.clips_per_bandwidth else []),
        ("source", str(configuration.get("dataset", "unnamed"))),
        ("files", f"{len(manifest.shards):,}, {size:,} bytes"),
    ]
    gaps = [str(gap) for gap in manifest.class_counts.gaps]
    for name, texts in (("left out", _rejected(manifest)), ("gaps", gaps), ("damage", wrong)):
        facts += [(name, lines(texts))] if texts else []
    values = {
        **manifest.summary(),
        "label_names": list(manifest.labels),
        "fingerprint": manifest.fingerprint,
        "damage": wrong,
    }
    if wrong:
        after = command("prepare", data_dir=data_dir)
    else:
        stages = "teacher,soft_labels,supernet,search,convert"
        more = {} if manifest.configuration["payload"] == "audio" else {"input": "log_mel"}
        where = {"data_dir": data_dir, "workdir": "RUN", "stages": stages, **more}
        after = command("train", flagfile="recordings.flags", **where)
    return Description(str(data_dir), "records", tuple(facts), values, (after,))


def _bandwidth(manifest: Manifest) -> list[str]:
    """How far the recordings reach, and what follows from it."""
    found = manifest.bandwidths
    advice = found.advice(manifest.front_end)
    return [str(found), *([advice] if advice else [])]


def _labels_per_clip(manifest: Manifest) -> str:
    return "one label each" if manifest.has_one_label_per_clip else "any number of labels each"


def _balance(manifest: Manifest) -> list[str]:
    """The rarest and the most frequent label of every split."""
    texts = []
    for split, counts in manifest.clips_per_label.items():
        if manifest.clips.get(split) and counts:
            order = sorted(counts, key=lambda label: counts[label])
            least, most = order[0], order[-1]
            texts.append(f"{split}: from {counts[least]:,} ({least}) to {counts[most]:,} ({most})")
    return texts


def _rejected(manifest: Manifest) -> list[str]:
    kinds = {"quarantined": manifest.quarantined, "missing": manifest.missing}
    texts = []
    for kind, clips in kinds.items():
        if clips:
            named = "; ".join(f"{clip.file} ({clip.reason})" for clip in clips[:_REJECTED])
            texts.append(f"{len(clips):,} {kind}: {named}")
    return texts
