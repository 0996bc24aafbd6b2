from dataclasses import replace
from pathlib import Path

import pytest

from tests.recordings import noise, write
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, SourceError
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig, PrepareError
from tfrecords.sources.audioset import AudiosetFiles, read_audioset, read_class_labels

LABELS = (
    'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/t/dd00088,"Gush, ""loud"""\n'
    '2,/m/0bt9lr,"Dog"\n'
)
OFFICIAL = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=2, num_segs=2, num_unique_labels=3, num_positive_labels=3
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
Yabcdefghi0, 0.000, 10.000, "/m/0bt9lr"
"""
SPREADSHEET = """# Segments csv created Sun Mar  5 10:54:31 2017,,,
# YTID,start_seconds,end_seconds,positive_labels
--PJHxphWEs,30,40,"/m/09x0r,/t/dd00088"
Yabcdefghi0,0,10,/m/0bt9lr
"""
EVAL = """# YTID, start_seconds, end_seconds, positive_labels
evaluation1, 12.500, 22.500, "/m/0bt9lr"
"""
AUDIO = ("--PJHxphWEs.wav", "YYabcdefghi0.flac", "sub/evaluation1_12.500.ogg")


def dataset(root: Path, train: str = OFFICIAL, pool: str = "") -> AudiosetFiles:
    texts = {
        "balanced_train_segments.csv": train,
        "eval_segments.csv": EVAL,
        "unbalanced_train_segments.csv": pool,
        "class_labels_indices.csv": LABELS,
    }
    root.mkdir(exist_ok=True)
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    for name in AUDIO:
        write(root / "audio" / name, noise(0.05))
    return AudiosetFiles(root)


def pool_rows(count: int) -> str:
    rows = [f'pool{number:07d}, 0.000, 10.000, "/m/0bt9lr"' for number in range(count)]
    return "\n".join([*OFFICIAL.splitlines(), *rows]) + "\n"


@pytest.mark.parametrize("train", [OFFICIAL, SPREADSHEET], ids=["official", "spreadsheet"])
def test_both_circulating_forms_say_the_same(tmp_path, train):
    source = read_audioset(dataset(tmp_path, train), validation_clips=0)
    assert source.labels == ("Speech", 'Gush, "loud"', "Dog")
    assert [(clip.id, clip.path.name, clip.labels) for clip in source.split(TRAIN)] == [
        ("--PJHxphWEs", "--PJHxphWEs.wav", ("Speech", 'Gush, "loud"')),
        ("Yabcdefghi0", "YYabcdefghi0.flac", ("Dog",)),
    ]
    assert [clip.path.name for clip in source.split(EVALUATION)] == ["evaluation1_12.500.ogg"]
    assert source.missing == ()


@pytest.mark.parametrize(
    "name",
    [
        "evaluation1.mp3",
        "Yevaluation1.wav",
        "evaluation1_12.500.flac",
        "evaluation1_12.5.flac",
        "Yevaluation1_12.500_22.500.wav",
        "evaluation1_12500_22500.wav",
        "evaluation1_12.5-22.5.wav",
        "Yevaluation1_000012_000022.wav",
    ],
)
def test_usual_file_names_are_found(tmp_path, name):
    files = dataset(tmp_path)
    (tmp_path / "audio" / AUDIO[2]).rename(tmp_path / "audio" / name)
    (clip,) = read_audioset(files, validation_clips=0).split(EVALUATION)
    assert clip.path.name == name


def test_clips_without_a_file_are_missing(tmp_path):
    files = dataset(tmp_path)
    (tmp_path / "audio" / AUDIO[0]).unlink()
    source = read_audioset(files, validation_clips=0)
    assert [(clip.id, clip.split) for clip in source.missing] == [("--PJHxphWEs", TRAIN)]


def drawn(files: AudiosetFiles, count: int, seed: int) -> set[str]:
    source = read_audioset(files, count, seed)
    return {clip.id for clip in (*source.clips, *source.missing) if clip.split == VALIDATION}


def test_validation_is_drawn_by_seed_and_shares_no_clip(tmp_path):
    files = dataset(tmp_path, pool=pool_rows(50))
    ten = drawn(files, 10, seed=1)
    assert len(ten) == 10
    assert all(clip.startswith("pool") for clip in drawn(files, 50, seed=1))
    assert ten == drawn(files, 10, seed=1)
    assert ten < drawn(files, 20, seed=1)
    assert ten != drawn(files, 10, seed=2)
    with pytest.raises(SourceError, match=r"50 clips are neither .* fewer than .*=51"):
        read_audioset(files, 51)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('xxxxxxxxxx1, 0.000, 10.000, "/m/none"', "label '/m/none' is unknown"),
        ('xxxxxxxxxx1, 0.000, "/m/0bt9lr"', "malformed row"),
        ("xxxxxxxxxx1,0,10,/m/0bt9lr,/m/09x0r", "malformed row"),
        ('xxxxxxxxxx1, ten, 20.000, "/m/0bt9lr"', "'ten' and '20.000' are not times"),
        ('xxxxxxxxxx1, 10.000, 10.000, "/m/0bt9lr"', "has no length"),
        ('../xxxxxxx1, 0.000, 10.000, "/m/0bt9lr"', "'../xxxxxxx1' is not a YouTube id"),
        ("#NAME?,0,10,/m/0bt9lr", "'#NAME\\?' is not a YouTube id"),
        ('--PJHxphWEs, 50.000, 60.000, "/m/09x0r,/t/dd00088"', "differs from the row"),
    ],
)
def test_segment_faults_name_file_line_and_value(tmp_path, row, message):
    files = dataset(tmp_path, OFFICIAL + row + "\n")
    with pytest.raises(SourceError, match=rf"balanced_train_segments.csv:6: .*{message}"):
        read_audioset(files, validation_clips=0)


def test_an_id_that_a_spreadsheet_destroyed_is_no_header(tmp_path):
    files = dataset(tmp_path, "YTID,start,end,labels\n#NAME?,0,10,/m/0bt9lr\n")
    with pytest.raises(SourceError, match=r"segments.csv:2: '#NAME\?'"):
        read_audioset(files, validation_clips=0)


def test_a_clip_in_training_and_evaluation_is_an_error(tmp_path):
    files = dataset(tmp_path, OFFICIAL + 'evaluation1, 12.500, 22.500, "/m/0bt9lr"\n')
    with pytest.raises(SourceError, match="'evaluation1' is in split 'evaluation'"):
        read_audioset(files, validation_clips=0)


def test_absent_lists_are_named(tmp_path):
    files = dataset(tmp_path)
    (tmp_path / "eval_segments.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"eval_segments.csv is missing"):
        read_audioset(files, validation_clips=0)


def test_the_decodable_file_of_several_is_taken(tmp_path):
    files = dataset(tmp_path)
    for suffix in ("aac", "m4a", "jpg", "json", "info.json", "webm", "part"):
        (tmp_path / "audio" / f"--PJHxphWEs.{suffix}").write_bytes(b"x")
    (tmp_path / "audio" / "Yabcdefghi0.json").touch()
    source = read_audioset(files, validation_clips=0)
    assert [clip.path.name for clip in source.split(TRAIN)] == [
        "--PJHxphWEs.wav",
        "YYabcdefghi0.flac",
    ]
    assert source.notes == ()
    (tmp_path / "audio" / "--PJHxphWEs.wav").unlink()
    source = read_audioset(files, validation_clips=0)
    assert source.split(TRAIN)[0].path.name == "--PJHxphWEs.aac"


def test_files_that_match_no_segment_are_counted_and_named(tmp_path):
    files = dataset(tmp_path, pool=pool_rows(9))
    for name in ("pool0000003.wav", "stray.wav", "evaluation1_999.000.wav"):
        write(tmp_path / "audio" / name, noise(0.05))
    (note,) = read_audioset(files, 5).notes
    assert "2 of 6 files in " in note
    assert "such as evaluation1_999.000.wav, stray.wav: " in note


def test_without_the_pool_validation_comes_from_elsewhere_by_a_flag(tmp_path):
    files = dataset(tmp_path)
    (tmp_path / files.pool).unlink()
    assert read_audioset(files, 0).split(VALIDATION) == ()
    with pytest.raises(FileNotFoundError) as missing:
        read_audioset(files)
    assert f"--audioset_pool={files.train}" in str(missing.value)
    assert "--validation_clips=0" in str(missing.value)
    source = read_audioset(replace(files, pool=files.train))
    assert len(source.split(VALIDATION)) == len(source.split(TRAIN)) == 1
    with pytest.raises(SourceError, match=r"2 clips .* fewer than .*=3"):
        read_audioset(replace(files, pool=files.train), 3)


def test_only_names_without_times_may_hold_the_whole_video(tmp_path):
    files = dataset(tmp_path)
    clips = {clip.id: clip for clip in read_audioset(files, 0).clips}
    assert (clips["--PJHxphWEs"].begin_secs, clips["--PJHxphWEs"].end_secs) == (30, 40)
    assert (clips["Yabcdefghi0"].begin_secs, clips["Yabcdefghi0"].end_secs) == (0, 10)
    assert clips["evaluation1"].end_secs is None
    beginnings = read_audioset(replace(files, cut="beginning"), 0)
    assert all(clip.end_secs is None for clip in beginnings.clips)
    with pytest.raises(SourceError, match="audioset_cut is one of"):
        replace(files, cut="middle")


def test_official_labels_are_read_whole():
    path = Path(__file__).resolve().parents[3] / "shared/data/audioset/class_labels_indices.csv"
    if not path.is_file():
        pytest.skip("AudioSet's labels are not beside the repository")
    names = read_class_labels(path)
    assert len(names) == 527
    assert names["/m/05zppz"] == "Male speech, man speaking"


def test_records_are_not_written_among_the_recordings(tmp_path):
    files = replace(dataset(tmp_path), audio=str(tmp_path / "audio"))
    source = read_audioset(files, validation_clips=0)
    records = tmp_path / "audio" / "records"
    with pytest.raises(PrepareError, match="lies in the folder of recordings"):
        prepare(source, PrepareConfig("audioset", clip_secs=0.1), records)
    assert not records.exists()
