"""Preparation by Apache Beam: workers, runners, and what its elements hold."""

import pickle

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    StandardOptions,
)

from tests.recordings import SECS, digests, source
from tfrecords.beam import beam_options, with_workers
from tfrecords.clip import Clip, Source
from tfrecords.clip_table import TABLE_NAME
from tfrecords.plan import plan_shards
from tfrecords.prepare import PrepareConfig, prepare
from tfrecords.prepare_config import PrepareError

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)


@pytest.mark.parametrize(
    ("mode", "counts"), [("multi_threading", (1, 2, 4)), ("multi_processing", (2, 4))]
)
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, mode, counts):
    raw = source(tmp_path / "raw", train=24)
    alone = ("--direct_running_mode=in_memory",)
    prepare(raw, CONFIG, tmp_path / "alone", alone)
    expected = digests(tmp_path / "alone")
    for workers in counts:
        options = (f"--direct_running_mode={mode}", f"--direct_num_workers={workers}")
        prepare(raw, CONFIG, tmp_path / f"{workers}", options)
        assert digests(tmp_path / f"{workers}") == expected
    assert not (tmp_path / "alone" / TABLE_NAME).exists()


def test_elements_do_not_grow_with_the_clips_of_a_shard(tmp_path):
    clips = tuple(Clip(f"{n}", str(tmp_path / f"{n}.wav"), ("a",), "train") for n in range(10_000))
    few = plan_shards(Source(("a",), clips[:10]), PrepareConfig("", 1, clips_per_shard=5), tmp_path)
    many = plan_shards(Source(("a",), clips), PrepareConfig("", 1, clips_per_shard=5000), tmp_path)
    assert [job.rows.count for job in many] == [5000, 5000]
    assert len(pickle.dumps(many)) < len(pickle.dumps(few)) + 100
    read = [clip for job in many for clip in job.rows.clips()]
    assert sorted(read, key=lambda clip: int(clip.id)) == list(clips)
    assert many[0].rows.labels() == ("a",)


def test_ids_that_are_not_utf_8_survive_the_table(tmp_path):
    clip = Clip("caf\udce9.wav", str(tmp_path / "caf\udce9.wav"), ("\u00e9",), "train")
    raw = Source(clip.labels, (clip,))
    (job,) = plan_shards(raw, PrepareConfig("", 1, clips_per_shard=5), tmp_path)
    assert [*job.rows.clips()] == [clip]
    assert job.rows.labels() == clip.labels


def test_all_cores_work_unless_the_options_say_otherwise():
    assert with_workers(["--job_name=x"])[:2] == [
        "--job_name=x",
        "--direct_running_mode=multi_threading",
    ]
    for chosen in (
        "--runner=FlinkRunner",
        "--direct_num_workers=1",
        "--direct_running_mode=in_memory",
    ):
        assert with_workers([chosen]) == [chosen]


def test_options_of_other_runners_pass_through():
    flink = beam_options(["--runner=FlinkRunner", "--flink_master=host:8081", "--parallelism=8"])
    assert flink.view_as(StandardOptions).runner == "FlinkRunner"
    assert flink.view_as(FlinkRunnerOptions).flink_master == "host:8081"
    cloud = ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t"]
    dataflow = beam_options(cloud)
    assert dataflow.view_as(StandardOptions).runner == "DataflowRunner"
    assert dataflow.view_as(GoogleCloudOptions).project == "p"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--direct_num_wrkers=3", "no option --direct_num_wrkers.*did you mean --direct_num_work"),
        ("direct_num_workers=3", "begin with two dashes"),
        ("-direct_num_workers=3", "begin with two dashes"),
    ],
)
def test_options_that_beam_would_drop_are_refused(argument, message):
    with pytest.raises(PrepareError, match=message):
        beam_options(["--direct_running_mode=in_memory", argument])
    options = beam_options(["--direct_num_workers", "3", "--no_pipeline_type_check"])
    assert options.get_all_options()["direct_num_workers"] == 3
