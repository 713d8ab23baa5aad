"""tshark's opinion of a capture."""
import json
import subprocess


def complaints(pcap, ethertype=0x888E, but=""):
    """What tshark has to complain about: one line per malformed frame or expert item above chat,
    the latter not in frames that `but` matches (what it reads inside integrity-only frames)."""
    expert = "_ws.expert.severity >= 0x400000" + (f" && !{but}" if but else "")
    out = subprocess.run(
        ["tshark", "-n", "-r", pcap, "-d", f"ethertype=={ethertype:#06x},eapol",
         "-Y", f"_ws.malformed || ({expert})", "-T", "fields",
         "-e", "frame.number", "-e", "eth.src", "-e", "_ws.col.Info", "-e", "_ws.expert.message"],
        capture_output=True, text=True, check=True)
    return out.stdout.splitlines()


def mkpdus(pcap, ethertype=0x888E):
    """The frames that tshark takes for MKPDUs, as its JSON layers."""
    out = subprocess.run(
        ["tshark", "-n", "-r", pcap, "-d", f"ethertype=={ethertype:#06x},eapol",
         "-Y", "mka", "-T", "json"], capture_output=True, text=True, check=True)
    return [packet["_source"]["layers"] for packet in json.loads(out.stdout)]
