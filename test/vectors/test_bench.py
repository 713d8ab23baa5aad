"""What `make bench` writes, on a run too short to measure anything."""
import json
import math
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build")) / "bench" / "paths"


def test_bench_json_has_a_row_for_each_path_direction_and_size(tmp_path):
    file = tmp_path / "bench.json"
    said = subprocess.run([BENCH, "--windows", "1", "--json", file], capture_output=True, text=True,
                          check=True, timeout=60).stdout
    bench = json.loads(file.read_text())
    assert set(bench) == {"machine", "rows"} and bench["machine"]
    for row in bench["rows"]:
        assert set(row) == {"path", "direction", "size", "cores", "cycles", "raw_cycles", "over",
                            "ratio", "mpps", "gbps", "windows", "kept", "pace"}
        assert row["cores"] == 1 and row["windows"] == 1 and row["kept"] in (0, 1)
        assert 0 < row["pace"] <= 1
        assert all(row[k] > 0 for k in ("cycles", "raw_cycles", "ratio", "mpps", "gbps"))
        assert math.isclose(row["ratio"], row["raw_cycles"] / row["cycles"], rel_tol=0.01,
                            abs_tol=0.001)
    rows = {(r["path"], r["direction"], r["size"]) for r in bench["rows"]}
    assert len(rows) == len(bench["rows"])
    assert rows >= {(path, direction, size)
                    for path in ("macsec-xpn-256", "esp-tunnel-gcm-256", "esp-udp-gcm-256")
                    for direction in ("encrypt", "decrypt")
                    for size in ("64", "512", "1400", "9000", "imix")}
    assert len(said.splitlines()) == 2 + len(rows)      # the machine, the heads, a line for each
