import pytest

from aec_ofa_tf.training.precision import resolve_precision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu avx512f amx_bf16 amx_tile", "mixed_bfloat16"),
        ("flags : fpu avx512f avx512_bf16", "mixed_bfloat16"),
        ("flags : fpu avx512f avx512_vnni", "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_cpu_computes_in_it(tmp_path, flags, expected):
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(flags)

    assert resolve_precision("auto", cpu_info) == expected


def test_auto_without_knowledge_of_the_cpu_is_float32(tmp_path):
    assert resolve_precision("auto", tmp_path / "absent") == "float32"


def test_a_choice_is_kept(tmp_path):
    assert resolve_precision("mixed_bfloat16", tmp_path / "absent") == "mixed_bfloat16"
