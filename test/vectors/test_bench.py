"""What `make bench` writes, on a run too short to measure anything."""
import json
import math
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build")) / "bench" / "paths"
HEAD = {"program", "machine", "cpus", "linux", "tsc_ghz", "crypto", "rows"}
ROW = {"path", "direction", "size", "cores", "sas", "cycles", "raw_cycles", "over", "ratio", "mpps",
       "gbps", "windows", "kept", "pace"}


def test_bench_json_has_a_row_for_each_path_direction_and_size(tmp_path):
    file = tmp_path / "bench.json"
    said = subprocess.run([BENCH, "--windows", "1", "--json", file], capture_output=True, text=True,
                          check=True, timeout=60).stdout
    bench = json.loads(file.read_text())
    assert set(bench) == HEAD and bench["machine"] and bench["program"] == "bench/paths"
    for row in bench["rows"]:
        assert set(row) == ROW
        assert row["sas"] == row["cores"] == 1 and row["windows"] == 1 and row["kept"] in (0, 1)
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


def test_many_sas_are_told_beside_one(tmp_path):
    file = tmp_path / "bench.json"
    subprocess.run([BENCH, "--windows", "1", "--sas", "4", "--sas", "1000", "--path",
                    "esp-tunnel-gcm-256", "--json", file], capture_output=True, check=True,
                   timeout=60)
    rows = json.loads(file.read_text())["rows"]
    assert [(r["direction"], r["size"], r["sas"]) for r in rows] == [
        (direction, "imix", sas) for direction in ("encrypt", "decrypt") for sas in (4, 1000)]
    for row in rows:
        assert set(row) == ROW | {"share", "raw_share"}
        assert row["share"] > 0 and row["raw_share"] > 0


def test_each_sample_is_charged_to_a_stage(tmp_path):
    file = tmp_path / "stages.json"
    subprocess.run([TOP / "bench" / "stages", "--build", BENCH.parent.parent, "--windows", "1",
                    "--json", file], capture_output=True, check=True, timeout=120)
    rows = json.loads(file.read_text())["rows"]
    for path, stage in (("macsec-xpn-256", "fwd/macsec_out.c"), ("esp-tunnel-gcm-256", "fwd/guard.c")):
        shares = {r["stage"]: r["share"] for r in rows
                  if r["path"] == path and r["direction"] == "encrypt"}
        assert stage in shares and abs(sum(shares.values()) - 1) < 0.01
        assert shares.get("elsewhere", 0) < 0.1
