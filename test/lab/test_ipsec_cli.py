"""What the client says of tunnels of IKEv2 and ESP, and what it can do to them: two sites, one behind
a translator with a leased address."""
import subprocess

import pytest

import labs
from lib.until import until

TWO = (labs.TOP / "examples" / "two-sites.conf").read_text()
LINE = "overlay link { design ipsec; over inet; auth psk link; }"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    assert LINE in TWO
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), TWO.replace(
        LINE, LINE[:-1] + "ike { debug key-log; } }"))
    try:
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def myelin(lab, node, *words, ok=True):
    """What the client says, on either stream; that it succeeds, or fails with 1."""
    out = subprocess.run([labs.MYELIN, "lab", "exec", "--lab", lab.name, node, "--", labs.MYELIN,
                          *words], capture_output=True, text=True)
    assert out.returncode == (0 if ok else 1), out
    return out.stdout + out.stderr


def ike(lab, node):
    return lab.show(node, "ike")["peers"][0]


def spis(lab, node):
    sa = ike(lab, node)["sas"][0]
    return sa["spi-initiator"], sa["children"][0]["spi-in"]


def test_ike_and_esp_are_shown_on_both_ends(two):
    ends = {node: ike(two, node) for node in two.nodes}
    for node, peer in (("fra1", "nyc1"), ("nyc1", "fra1")):
        end, sa = ends[node], ends[node]["sas"][0]
        assert (end["peer"], end["state"], end["reason"]) == (peer, "up", None)
        assert sa["state"] == "established" and sa["auth"] == "psk" and sa["udp"]
        assert sa["identity"] == peer and sa["children"][0]["state"] == "used"
        assert "aes-gcm-16-256" in sa["suite"]
    assert [ends[n]["sas"][0]["nat"] for n in ("fra1", "nyc1")] == ["peer", "here"]
    assert [ends[n]["sas"][0]["role"] for n in ("fra1", "nyc1")] == ["responder", "initiator"]
    two.run("host-nyc", "ping", "-n", "-c", 3, "-i", "0.2", two.address["host-fra"][0])
    ours, theirs = (two.show(n, "sa")["esp"][0] for n in ("fra1", "nyc1"))
    assert (ours["spi-in"], ours["spi-out"]) == (theirs["spi-out"], theirs["spi-in"])
    assert ours["packets-in"] >= 3 and ours["esn"] and ours["udp"]

    def counted():
        """The ends are asked one after the other, and a host may say something in between."""
        sent, got = (two.show(n, "sa")["esp"][0][k]
                     for n, k in (("nyc1", "packets-out"), ("fra1", "packets-in")))
        return sent == got
    until("all that left has arrived", counted, 10)
    table = myelin(two, "fra1", "show", "ike")
    assert "nyc1" in table and "established" in table
    assert "proved by psk" in myelin(two, "fra1", "show", "ike", "nyc1")
    assert ours["spi-in"] in myelin(two, "fra1", "show", "sa")
    assert ours["spi-in"] in myelin(two, "fra1", "show", "sa", "link/nyc1")


def test_rekeying_by_command(two):
    before = spis(two, "fra1")
    assert myelin(two, "fra1", "rekey", "nyc1") == "link/nyc1: has new ESP keys\n"
    child = spis(two, "fra1")
    assert child[0] == before[0] and child[1] != before[1]
    assert "new IKE SA" in myelin(two, "nyc1", "rekey", "link/fra1", "ike")
    again = spis(two, "fra1")
    assert again[0] != child[0] and again[1] == child[1]
    assert "new IKE SA" in myelin(two, "nyc1", "rekey", "fra1", "reauth")
    assert set(spis(two, "fra1")).isdisjoint(again)
    names = [e["event"] for e in two.show("nyc1", "events")["events"]]
    for name in ("ike-up", "child-rekeyed", "ike-rekeyed", "ike-reauthenticated"):
        assert name in names, names
    assert "peer-lost" not in names, names


def test_errors_name_what_would_do(two):
    for words, said in ((("rekey", "nyc1", "everything"), "`child`"),
                        (("rekey", "gru1"), "there are nyc1"),
                        (("up", "core/nyc1"), "there are nyc1"),
                        (("up", "nyc1"), "has to call us"),
                        (("show", "ike", "gru1"), "no overlay or peer gru1")):
        assert said in myelin(two, "fra1", *words, ok=False), words


def test_down_holds_and_up_brings_back(two):
    assert "held down" in myelin(two, "nyc1", "down", "fra1")
    assert ike(two, "nyc1")["state"] == "held down"
    assert "myelin up fra1" in ike(two, "nyc1")["reason"]
    assert ike(two, "fra1")["reason"] == "the peer closed it"
    assert "no IKE SA" in myelin(two, "nyc1", "rekey", "fra1", ok=False)
    assert myelin(two, "nyc1", "up", "fra1") == "link/fra1: up\n"
    assert ike(two, "fra1")["state"] == "up"


def test_keys_for_wireshark_are_shown_and_said_loudly(two):
    esp, sa = myelin(two, "fra1", "show", "keys", "esp"), two.show("fra1", "sa")["esp"][0]
    assert f'"0x{sa["spi-in"]}"' in esp and f'"0x{sa["spi-out"]}"' in esp
    assert spis(two, "fra1")[0] in myelin(two, "fra1", "show", "keys", "ike")
    assert "OPEN: key-log" in myelin(two, "fra1", "show", "overlays")


def test_tshark_reads_the_traffic_with_them(two, tmp_path):
    """Wherever it was recorded, on this side of the translator or the other."""
    seen = tmp_path / "wire.pcap"
    capture = subprocess.Popen([labs.MYELIN, "lab", "capture", "inet", seen, "--lab", two.name],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until("the capture runs", lambda: seen.exists() and seen.stat().st_size)
        myelin(two, "nyc1", "rekey", "fra1", "reauth")
        two.run("host-nyc", "ping", "-n", "-c", 5, "-i", "0.2", two.address["host-fra"][0])
    finally:
        capture.terminate()
        capture.wait()
    config = tmp_path / "wireshark"
    config.mkdir()
    for table, words in (("esp_sa", "esp"), ("ikev2_decryption_table", "ike")):
        (config / table).write_text(myelin(two, "fra1", "show", "keys", words))

    def read(what, field):
        return subprocess.run(
            ["tshark", "-n", "-r", seen, "-o", "esp.enable_encryption_decode:TRUE", "-Y", what,
             "-T", "fields", "-e", field], capture_output=True, text=True, check=True,
            env={"PATH": "/usr/sbin:/usr/bin", "XDG_CONFIG_HOME": str(tmp_path),
                 "HOME": str(tmp_path)}).stdout.split()
    assert read("icmp.type == 8", "icmp.seq").count("5") >= 1
    assert "fra1" in " ".join(read("isakmp.id.data.fqdn", "isakmp.id.data.fqdn"))


def test_a_wrong_secret_is_named_on_both_ends(two):
    """One end reads another one at its next start."""
    secret = two.dir / "secrets" / "link"
    text = secret.read_text()
    secret.write_text(text.translate(str.maketrans("0123456789abcdef", "123456789abcdef0")))
    two.restart("nyc1")

    def told():
        try:
            return "AUTHENTICATION_FAILED" in (ike(two, "nyc1")["reason"] or "")
        except (OSError, ValueError, LookupError):
            return False
    until("the peer answers with an error", told)
    events = [e for e in two.show("fra1", "events")["events"]
              if e["event"] == "authentication-failed"]
    assert "the pre-shared keys differ" in events[-1]["text"]
    assert "check the identities" in myelin(two, "nyc1", "show", "ike")
