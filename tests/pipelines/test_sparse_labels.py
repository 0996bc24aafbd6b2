"""From the table of `tag --csv` to a list of clips with its labels."""

from pipelines.benchmarks.sparse_labels import main
from tests.recordings import noise, write
from tfrecords.sources.csv_list import read_csv

HEADER = "file,begin_secs,end_secs,label,score,error"


def test_what_a_tagger_heard_becomes_labels_and_fold_5_validation(tmp_path):
    heard = {"1-7-A-0.wav": ["Dog", "Male speech, man speaking"], "5-8-A-0.wav": [""]}
    rows = []
    for name, labels in heard.items():
        path = write(tmp_path / "audio" / name, noise(0.1))
        rows += [f'{path},0.0,0.1,"{label}",0.5,' for label in labels]
    tags = tmp_path / "tags.csv"
    tags.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")

    main(str(tags), str(tmp_path / "list.csv"))

    source = read_csv(tmp_path / "list.csv")
    assert [(clip.id, clip.labels, clip.split) for clip in source.clips] == [
        ("audio/1-7-A-0.wav", ("Dog", "Male speech, man speaking"), "train"),
        ("audio/5-8-A-0.wav", (), "validation"),
    ]
