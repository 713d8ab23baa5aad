"""The frames of a group's exchanges, as tshark decrypts them with the keys that the engine logs,
and what they hold as test/lib/gikewire.py reads it from the standard's text. Neither shares a line
with us.
"""
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", HERE.parent.parent / "build"))
sys.path.insert(0, str(HERE.parent))

from lib import gikewire as g  # noqa: E402

SA, IDI, IDR, AUTH, NOTIFY, IDG, GSA, KD = 33, 35, 36, 39, 41, 50, 51, 52
IKE_SA_INIT, GSA_AUTH, REGISTRATION, INBAND = 34, 39, 40, 42


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """(exchange, is an answer, {payload type: body}, checksum is right) of each message."""
    where = tmp_path_factory.mktemp("gike")
    subprocess.run([BUILD / "src/key/gikev2/key_gikev2_agent_test"], check=True,
                   env={**os.environ, "GIKE_FRAMES": str(where)}, capture_output=True)
    keys = (where / "keys").read_text().strip()
    out = subprocess.run(["tshark", "-n", "-r", where / "gike.pcap", "-o",
                          f"uat:ikev2_decryption_table:{keys}", "-V", "-x"],
                         capture_output=True, text=True, check=True).stdout
    found = []
    for frame in re.split(r"^(?=Frame \d+:)", out, flags=re.M)[1:]:
        number = int(re.search(r"Exchange type: .*\((\d+)\)", frame)[1])
        first = re.search(r"Encrypted and Authenticated \(46\)\n +Next payload: .*?\((\d+)\)",
                          frame)
        clear = re.search(r"^Decrypted Data \(\d+ bytes?\):\n((?:[0-9a-f]{4}  .*\n)+)",
                          frame, re.M)
        lines = clear[1].splitlines() if clear else []
        data = bytes.fromhex("".join(line[6:53] for line in lines))
        found.append((number, "= Response: Response" in frame,
                      payloads(int(first[1]), data) if first else {}, "[correct]" in frame, frame))
    return found


def payloads(kind, data):
    held = {}
    while kind:
        following, length = data[0], int.from_bytes(data[2:4], "big")
        held.setdefault(kind, []).append(data[4:length])
        data, kind = data[length:], following
    return held


def only(messages, exchange, answer):
    found = [m for m in messages if m[0] == exchange and m[1] == answer]
    assert len(found) == 1
    return found[0]


def test_the_exchanges_are_those_of_the_standard(messages):
    assert [(m[0], m[1]) for m in messages] == [
        (IKE_SA_INIT, False), (IKE_SA_INIT, True), (GSA_AUTH, False), (GSA_AUTH, True),
        (INBAND, False), (INBAND, True), (REGISTRATION, False), (REGISTRATION, True)]
    assert all(m[3] for m in messages[2:]), "an ICV that tshark does not find right"


def test_a_key_wrap_algorithm_is_negotiated(messages):
    offered, chosen = messages[0][4], messages[1][4]
    kind = r"Transform Type: [^\n]*\(13\)\n[^\n]*\n *Transform ID: (\d+)"
    assert re.findall(kind, offered) == ["3", "2", "1"]
    assert re.findall(kind, chosen) == ["3"]


def test_gsa_auth_holds_what_it_is_to(messages):
    ask, answer = only(messages, GSA_AUTH, False)[2], only(messages, GSA_AUTH, True)[2]
    assert {IDI, AUTH, IDG} <= set(ask) <= {IDI, IDR, AUTH, IDG, SA, NOTIFY}
    assert ask[IDG] == [b"\x0b\0\0\0group 0"]
    assert any(n[2:4] == (16429).to_bytes(2, "big") for n in ask[NOTIFY])  # GROUP_SENDER
    assert set(answer) == {IDR, AUTH, GSA, KD}


@pytest.mark.parametrize("exchange, kinds", [(GSA_AUTH, {GSA, KD, IDR, AUTH}),
                                             (REGISTRATION, {GSA, KD}), (INBAND, {GSA, KD})])
def test_policies_and_keys_are_the_standards(messages, exchange, kinds):
    told = only(messages, exchange, exchange != INBAND)[2]
    assert set(told) == kinds
    gsa, kd = g.text_gsa(told[GSA][0]), g.text_kd(told[KD][0])
    sas = re.findall(r"policy (\d+) (\w+)", gsa)
    assert sas == re.findall(r"bag (\d+) (\w+)", kd)      # §4.5: by protocol and SPI
    assert "wide atd" in gsa and "transform 1 20 256 transform 5 2 0" in gsa
    registration = exchange != INBAND
    # §4.4.2.1, §4.5.3.3: of the Rekey SA and of senders, at registrations alone.
    assert ([p for p, _ in sas] == ["6", "3"]) if registration else ([p for p, _ in sas] == ["3"])
    assert ("transform 14 2 0 algorithm 300506032b6570" in gsa) == registration
    assert ("member" in kd and " sender " in kd and " auth " in kd) == registration
    assert re.search(rf"bag 3 {sas[-1][1]} key 0 0 \w{{96}}", kd)  # 36 octets, wrapped: 48


def test_what_is_told_inband_is_answered_by_nothing(messages):
    assert only(messages, INBAND, True)[2] == {}


def test_a_second_group_is_asked_for_by_its_name(messages):
    ask = only(messages, REGISTRATION, False)[2]
    assert {IDG} <= set(ask) <= {IDG, SA, NOTIFY}
    assert ask[IDG] == [b"\x0b\0\0\0group 1"]
