"""What MACsec leaves open on purpose, and nothing more: on the wire, in `check` and in `show`."""
import subprocess

import pytest

import labs
from labs import Stream
from lib.until import until


def check(tmp_path, text):
    """What `myelin check` says of a file that it takes."""
    file = tmp_path / "x.conf"
    file.write_text(text)
    done = subprocess.run([labs.MYELIN, "check", file], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def open_of(lab, node):
    return lab.show(node, "overlays")["overlays"][0]["open"]


def marked(count=3):
    """The payload of Stream's datagrams is 0xa5 from its ninth octet on."""
    return b"\xa5" * count


@pytest.mark.parametrize("offset", [0, 30, 50])
def test_offset_leaves_just_so_many_octets_in_clear(make_lab, tmp_path, offset):
    text = labs.backbone(2, macsec=f"cipher-suite gcm-aes-256; confidentiality-offset {offset};")
    lab = make_lab(text)
    assert ("shows the carrier" in check(tmp_path, text)) == (offset > 0)
    for node in lab.nodes:
        assert open_of(lab, node) == ([f"confidentiality-offset {offset}"] if offset else [])
        assert lab.show(node, "overlays")["overlays"][0]["confidentiality"] == (
            f"offset-{offset}" if offset else "full")
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 500)
        assert s.lost() == []
        until("frames", lambda: len(wire.of("fra1", "macsec")) >= 50, 10)
    # EtherType and IPv4 header, from behind the SecTAG with its SCI.
    frames = [f.raw[28:] for f in wire.of("fra1", "macsec") if len(f.raw) > 200]
    assert len(frames) >= 50
    seen = {b[:2] + b[2:3] for b in frames}
    assert (seen == {b"\x08\x00\x45"}) == (offset > 0)
    # Datagrams are number and pattern behind 2 + 20 + 8 octets: the 30 end before, the 50 in it.
    assert all((b[38:50] == marked(12)) == (offset == 50) for b in frames)
    assert not any(marked(4) in b[offset:] for b in frames)
    lab.assert_clean()


def test_integrity_only_is_readable_on_the_wire_and_shown_wherever_one_looks(make_lab, tmp_path):
    text = labs.backbone(2, macsec="confidentiality off;")
    lab = make_lab(text, wait=False)
    lab.wait_live()
    assert "encrypts nothing" in check(tmp_path, text)
    for node in lab.nodes:
        assert open_of(lab, node) == ["integrity-only"]
        assert lab.show(node, "overlays")["overlays"][0]["confidentiality"] == "none"
        wan = [p for p in lab.show(node, "ports")["ports"] if p["side"] == "wan"][0]
        assert "integrity-only" in wan["open"] and wan["deviates"]
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 500)
        assert s.lost() == []
        # The carrier, who knows nothing of the file, calls them neither MACsec nor anything else.
        until("frames", lambda: len(wire.of("fra1", "neither")) >= 50, 10)
    frames = [f.raw for f in wire.of("fra1", "neither")]
    assert all(f[12:14] == b"\x88\xe5" and f[14] & 0x0C == 0 for f in frames)
    assert sum(marked(100) in f for f in frames) >= 50
    assert not wire.of("fra1", "macsec")
    assert lab.counter("fra1", "OutPktsProtected") >= 50
    assert lab.counter("fra1", "OutPktsEncrypted") == 0
    assert lab.counter("nyc1", "InOctetsValidated") > 50 * 200
    wan = [p for p in lab.show("fra1", "ports")["ports"] if p["side"] == "wan"][0]
    assert wan["guard"]["egress-integrity"] >= 50 and wan["guard"]["egress-macsec"] == 0


def test_without_sci_the_source_address_names_the_sender(make_lab):
    lab = make_lab(labs.backbone(2, macsec="send-sci false;"))
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 500)
        assert s.lost() == []
        until("frames", lambda: len(wire.of("fra1", "macsec")) >= 50, 10)
    frames = [f.raw for f in wire.of("fra1", "macsec")]
    assert {f[14] & 0xF0 for f in frames} == {0x40}     # ES alone
    mac = bytes.fromhex(lab.peers("nyc1")["fra1"]["sci"])[:6]
    assert {f[6:12] for f in frames} == {mac}
    # 24 octets around a datagram of 200, not 32.
    assert {len(f) for f in frames if len(f) > 200} == {14 + 20 + 8 + 200 + 24}
    lab.assert_clean()


def test_unvalidated_frames_are_counted_as_such_and_the_opening_is_shown(make_lab, tmp_path):
    text = labs.backbone(2, macsec="confidentiality off; validate disabled;")
    lab = make_lab(text, wait=False)
    lab.wait_live()
    assert "did not authenticate" in check(tmp_path, text)
    for node in lab.nodes:
        assert set(open_of(lab, node)) == {"validate disabled", "integrity-only"}
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 500)
        assert s.lost() == []
    assert lab.counter("nyc1", "InPktsUnchecked") >= 50
    assert lab.counter("nyc1", "InPktsOK") == 0


def test_check_takes_what_is_encrypted_only_when_it_verifies(make_lab, tmp_path):
    text = labs.backbone(2, macsec="validate check;")
    lab = make_lab(text)
    assert "did not authenticate" in check(tmp_path, text)
    assert open_of(lab, "fra1") == ["validate check"]
    with Stream(lab, "host-fra", "host-nyc") as s:
        lab.carrier("tamper", "nyc1", "wan", "alter", 10)
        s.send(50, 500)
        lost = len(s.lost())
    assert 1 <= lost <= 10      # a frame of the kernel's own may be among the altered ones
    assert lost <= lab.counter("nyc1", "InPktsNotValid") <= 10
    assert lab.counter("nyc1", "InPktsInvalid") == 0
    lab.assert_clean()
