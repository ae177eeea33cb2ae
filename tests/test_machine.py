"""What memory there is, by files as systems keep them, and bytes in words."""

from __future__ import annotations

import pytest

from jaxlrm import machine


@pytest.fixture
def system(tmp_path):
    """Writes files of a system, whose root it returns."""

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_of_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


MEMINFO = "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:    4000 kB\n"


def test_available_is_what_the_machine_could_free(system):
    assert machine.available_memory(system(proc__meminfo=MEMINFO)) == 4_096_000


@pytest.mark.parametrize("inside", [False, True])
def test_the_control_groups_around_a_process_limit_it(system, inside):
    """Inside of a container the group that is named is the top itself."""
    group = "sys__fs__cgroup__" + ("" if inside else "jobs__")
    root = system(
        proc__meminfo=MEMINFO,
        proc__self__cgroup="0::/jobs/7\n",
        **{
            f"{group}memory_of_max": "3000000\n",
            f"{group}memory_of_current": "1000000\n",
            f"{group}memory_of_stat": "anon 5\ninactive_file 250000\n",
        },
    )
    assert machine.available_memory(root) == 2_250_000


def test_a_group_without_a_limit_limits_nothing(system):
    root = system(
        proc__meminfo=MEMINFO,
        proc__self__cgroup="3:cpu:/\n2:memory:/jobs\n0::/\n",
        sys__fs__cgroup__memory_of_max="max\n",
        sys__fs__cgroup__memory_of_current="1000000\n",
        sys__fs__cgroup__memory__jobs__memory_of_limit_in_bytes="5000000\n",
        sys__fs__cgroup__memory__jobs__memory_of_usage_in_bytes="4900000\n",
    )
    assert machine.available_memory(root) == 100_000


def test_another_system_has_all_its_memory(tmp_path):
    assert machine.available_memory(tmp_path) > 2**28


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3_145_728, "3.15 MB"),
        (999_499, "999 kB"),
        (999_700, "1 MB"),
        (999_700_000, "1 GB"),
        (1.5e12, "1.5 TB"),
    ],
)
def test_bytes_have_no_exponent(number, text):
    assert machine.format_bytes(number) == text
