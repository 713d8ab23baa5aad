"""The signer: the process that alone has the node's private keys, and does nothing but sign."""
import errno
import os
import pathlib
import re
import signal
import subprocess

import pytest

from lib.memory import memory
from lib.until import until
from node import PROGRAM, SANITIZED
from test_roles import confined, descriptors, status

MYELIN = pathlib.Path(os.environ.get("MYELIN", PROGRAM.parents[2] / "myelin"))
AUTHORITY, CRL, CHAIN = 5, 6, 7
ED25519, ECDSA_256, ECDSA_384, ECDSA_512, PSS_256, PSS_384, PSS_512, PKCS1_256 = range(8)
DATA = "00112233445566778899aabbccddeeff"


def ca(node, *kinds, name="acme-ca"):
    """An authority in the secrets directory as `myelin ca` makes it, with a key for the node."""
    folder = node.secrets / name
    for words in (("init", folder), *(("sign", folder, node.name, kind) for kind in kinds)):
        subprocess.run([MYELIN, "ca", *words], check=True, capture_output=True)
    return folder


def public(folder, node):
    """SubjectPublicKeyInfo of the node's certificate, in hex."""
    pem = subprocess.run(["openssl", "x509", "-in", folder / f"{node.name}.pem", "-noout", "-pubkey"],
                         check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=pem, check=True,
                         capture_output=True).stdout
    return der.hex()


def held(node, number=1, name="acme-ca"):
    """(number, error, schemes, path, public key) as the signer says them."""
    number, error, schemes, where, key = node.ask(f"key {number} {name}").rstrip("\n").split(" ")
    return int(number), int(error), int(schemes, 16), where, key


def verifies(folder, node, signature, *options):
    (folder / "data").write_bytes(bytes.fromhex(DATA))
    (folder / "signature").write_bytes(bytes.fromhex(signature))
    done = subprocess.run(["openssl", "x509", "-in", folder / f"{node.name}.pem", "-noout", "-pubkey"],
                          check=True, capture_output=True)
    (folder / "public").write_bytes(done.stdout)
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder / "public",
                           "-rawin", "-in", folder / "data", "-sigfile", folder / "signature",
                           *options], capture_output=True, text=True)
    return "Verified Successfully" in done.stdout


PSS = ("-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")


@pytest.mark.parametrize("kind, scheme, options", [
    ("ed25519", ED25519, ()),
    ("ecdsa-256", ECDSA_256, ("-digest", "sha256")),
    ("ecdsa-384", ECDSA_384, ("-digest", "sha384")),
    ("ecdsa-521", ECDSA_512, ("-digest", "sha512")),
    ("rsa-3072", PSS_384, ("-digest", "sha384", *PSS)),
    ("rsa-3072", PKCS1_256, ("-digest", "sha256")),
])
def test_a_key_signs_what_openssl_verifies(node, kind, scheme, options):
    folder = ca(node, kind)
    number, error, schemes, where, key = held(node)
    assert (number, error, where) == (1, 0, str(folder / f"{node.name}.key"))
    assert schemes >> scheme & 1 and key == public(folder, node)
    error, signature = node.ask(f"sign 1 {scheme} 1 {DATA}").split(" ")
    assert error == "0" and verifies(folder, node, signature.strip(), *options)
    other = ECDSA_256 if scheme == ED25519 else ED25519
    assert node.ask(f"sign 1 {other} 1 {DATA}").strip() == str(errno.EINVAL)
    assert node.ask(f"sign 2 {scheme} 1 {DATA}").strip() == str(errno.ENOKEY)
    assert node.ask(f"sign 99 {scheme} 1 {DATA}").strip() == str(errno.ENOKEY)


def test_the_signer_runs_only_while_a_key_is_wanted(node):
    ca(node, "ed25519")
    assert node.pid("signer") is None
    held(node)
    pid = node.pid("signer")
    node.ask("done")
    assert node.pid("signer") == pid
    node.kill("control")                # its successor names everything anew
    until("its link came", lambda: node.count("parent SIGNER_LINK") == 1)
    assert node.pid("signer") == pid
    node.ask("done")                    # and wants no key any more
    until("the signer is gone", lambda: node.pid("signer") is None)
    assert "signer ended" not in node.log() and "signer was killed" not in node.log()
    held(node)
    assert node.pid("signer") not in (None, pid)


def test_the_signer_has_its_own_user_and_no_privilege(node):
    ca(node, "ed25519")
    held(node)
    pid = confined(node, "signer")
    s = status(pid)
    try:
        import pwd
        uid = pwd.getpwnam("myelin-signer").pw_uid
    except KeyError:
        uid = 64212
    assert s["Uid"].split() == [str(uid)] * 4 and s["Groups"] == "" and s["Name"] == "myelin-signer"
    assert uid not in {int(status(node.pid(r))["Uid"].split()[0]) for r in ("control", "forward")}
    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(s[caps], 16) == 0, caps
    assert s["NoNewPrivs"] == "1"
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    # Its link to the parent, that to control, its signals; standard input is nothing, output the log.
    assert [d for d in descriptors(pid) if str(node.folder) not in d] == [
        "/dev/null", "anon_inode:[signalfd]", "socket:", "socket:"]
    if SANITIZED:
        return
    assert s["Seccomp"] == "2" and int(s["VmLck"].split()[0]) > 0
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0      # not dumpable
    assert os.listdir(f"/proc/{pid}/root") == []
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink(f"/proc/{node.pid('parent')}/ns/net")


def test_the_private_key_is_in_the_memory_of_the_signer_alone(node):
    folder = ca(node, "ecdsa-256")
    held(node)
    for _ in range(3):
        node.ask(f"sign 1 {ECDSA_256} 1 {DATA}")
    text = (folder / f"{node.name}.key").read_text()
    shown = subprocess.run(["openssl", "pkey", "-in", folder / f"{node.name}.key", "-noout", "-text"],
                           check=True, capture_output=True, text=True).stdout
    scalar = bytes.fromhex(re.sub(r"[\s:]", "", shown.split("priv:")[1].split("pub:")[0]))[-32:]
    forms = [scalar, scalar[::-1], text.splitlines()[1][:48].encode()]
    found = {role: [form in memory(node.pid(role)) for form in forms]
             for role in ("parent", "control", "forward", "signer")}
    assert any(found.pop("signer")), "the test would find it"
    assert not any(any(f) for f in found.values()), found
    assert text.splitlines()[1] not in node.log()


def test_a_killed_signer_is_back_with_the_key_and_nobody_else_is_touched(node):
    folder = ca(node, "ed25519")
    held(node)
    node.ask("done")
    others = [node.pid(r) for r in ("parent", "control", "forward")]
    for n in range(1, 4):
        old = node.pid("signer")
        os.kill(old, signal.SIGKILL)
        until("it is back", lambda: node.pid("signer") not in (None, old))
        until("its link came", lambda: node.count("parent SIGNER_LINK") == n + 1)
        until("it says its key", lambda: node.ask("held").split()[:2] == ["1", "0"]
              and node.count("signer KEY_HELD") == n + 1)
        error, signature = node.ask(f"sign 1 {ED25519} 1 {DATA}").split(" ")
        assert error == "0" and verifies(folder, node, signature.strip())
    assert others == [node.pid(r) for r in ("parent", "control", "forward")]
    assert node.count("parent LINK") == 1


def test_restarts_leak_no_descriptor(node):
    ca(node, "ed25519")
    held(node)
    node.ask("done")
    before = {r: descriptors(node.pid(r)) for r in ("parent", "control", "forward", "signer")}
    for n in range(1, 4):
        os.kill(node.pid("signer"), signal.SIGKILL)
        until("its link came", lambda: node.count("parent SIGNER_LINK") == n + 1)
        held(node)
    def now():
        return {r: descriptors(node.pid(r)) for r in before}
    until(lambda: f"the same descriptors as before: {before}, {now()}", lambda: now() == before)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_touch_is_refused(node, mode):
    folder = ca(node, "ed25519")
    (folder / f"{node.name}.key").chmod(mode)
    assert held(node)[1] == errno.EACCES
    assert node.ask(f"sign 1 {ED25519} 1 {DATA}").strip() == str(errno.ENOKEY)
    (folder / f"{node.name}.key").chmod(0o600)
    assert held(node)[1] == 0


def test_what_is_no_key_is_told_with_its_path(node):
    folder = ca(node)
    path = folder / f"{node.name}.key"
    assert held(node)[1] == errno.ENOENT
    for text in ("", "no key\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                 "x" * 20000):
        path.write_text(text)
        path.chmod(0o600)
        number, error, schemes, where, key = held(node)
        assert (error, schemes, where, key) == (errno.EKEYREJECTED, 0, str(path), "")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:word",
                    "-out", path], check=True, capture_output=True)
    assert held(node)[1] == errno.EKEYREJECTED          # encrypted
    subprocess.run(["openssl", "genrsa", "-out", path, "1024"], check=True, capture_output=True)
    assert held(node)[1] == errno.EKEYREJECTED          # too short
    path.unlink()
    os.symlink(folder / "ca.key", path)
    assert held(node)[1] == errno.ELOOP


def test_a_file_that_went_wrong_does_not_take_the_key_away(node):
    folder = ca(node, "ed25519")
    held(node)
    (folder / f"{node.name}.key").write_text("half\n")
    assert held(node)[1] == errno.EKEYREJECTED
    error, signature = node.ask(f"sign 1 {ED25519} 1 {DATA}").split(" ")
    assert error == "0" and verifies(folder, node, signature.strip())


def test_a_number_of_another_authority_never_signs_for_this_one(node):
    ca(node, "ed25519")
    ca(node, name="other-ca")           # no key for this node
    assert held(node)[1] == 0
    assert held(node, 1, "other-ca")[1] == errno.ENOENT
    assert node.ask(f"sign 1 {ED25519} 1 {DATA}").strip() == str(errno.ENOKEY)
    assert held(node, 2)[1] == 0
    node.ask("done")
    assert node.ask(f"sign 2 {ED25519} 1 {DATA}").startswith("0 ")


def test_control_gets_certificates_and_never_a_key(node):
    folder = ca(node, "ed25519")
    for kind, name in ((AUTHORITY, "ca.pem"), (CRL, "crl.pem"), (CHAIN, f"{node.name}.pem")):
        tag, error, where = node.ask(f"file {kind} acme-ca").splitlines()[0].split(" ", 2)
        assert (int(error), where) == (0, str(folder / name))
        (folder / name).chmod(0o664)
        assert node.ask(f"file {kind} acme-ca").split()[1] == str(errno.EACCES)
    (node.secrets / f"acme-ca_{node.name}.key").write_text("as systemd lays out credentials")
    (node.secrets / f"acme-ca_{node.name}.key").chmod(0o600)
    for name in (f"acme-ca_{node.name}.key", "ca.key", f"{node.name}.key"):
        assert node.ask(f"file 1 {name}").split()[1] == str(errno.EINVAL)
        for kind in (AUTHORITY, CRL, CHAIN):
            assert node.ask(f"file {kind} {name}").split()[1] in (str(errno.ENOENT),
                                                                 str(errno.ENOTDIR))


def test_a_folder_among_systemd_s_credentials_is_found_by_its_flat_names(make_node):
    node = make_node()
    folder = ca(node, "ed25519")
    flat = node.folder / "credentials"
    flat.mkdir(mode=0o700)
    for path in folder.iterdir():
        (flat / f"acme-ca_{path.name}").write_bytes(path.read_bytes())
        (flat / f"acme-ca_{path.name}").chmod(0o400)
    node.start(credentials=flat)
    assert held(node)[1::2] == (0, str(flat / f"acme-ca_{node.name}.key"))
    for kind, name in ((AUTHORITY, "ca.pem"), (CRL, "crl.pem"), (CHAIN, f"{node.name}.pem")):
        tag, error, where = node.ask(f"file {kind} acme-ca").splitlines()[0].split(" ", 2)
        assert (int(error), where) == (0, str(flat / f"acme-ca_{name}"))
    # Where they lie as secrets do, a key is no secret that control could ask for.
    assert node.ask(f"file 1 acme-ca_{node.name}.key").split()[1] == str(errno.EINVAL)


def test_a_node_with_the_name_of_an_authority_s_file_gets_none(make_node):
    node = make_node("ca")
    folder = ca(node)
    node.start()
    assert (folder / "ca.key").exists()
    assert held(node)[1] == errno.EINVAL
    assert node.ask(f"file {CHAIN} acme-ca").split()[1] == str(errno.EINVAL)


def test_what_control_may_ask_for_is_bounded_and_what_is_no_request_is_dropped(node):
    ca(node, "ed25519")
    held(node)
    pid = node.pid("signer")
    before = node.count("signer SIGNED")
    asked = 600
    node.ask(f"sign 1 {ED25519} {asked} {DATA}")
    # More than the allowance waits in the queue, is answered later, and nothing is lost.
    until("all are answered", lambda: node.count("signer SIGNED") == before + asked, 30)
    for raw in ("00", "00240000000000010001", "ffff" * 8, "00" * 4096, "00" * 8000):
        node.ask(f"raw signer {raw}")
    until("it is said", lambda: "control sent something that is no message" in node.log())
    assert node.ask(f"sign 1 {ED25519} 1 {DATA}").startswith("0 ")
    assert node.pid("signer") == pid


def test_an_orderly_stop_ends_the_signer_too(node):
    ca(node, "ed25519")
    held(node)
    pids = [*node.processes(), node.pid("signer")]
    node.daemon.terminate()
    node.wait_gone(pids)
    assert node.daemon.returncode == 0


def test_the_signer_dies_with_the_parent(node):
    ca(node, "ed25519")
    held(node)
    pids = [*node.processes(), node.pid("signer")]
    node.daemon.kill()
    node.wait_gone(pids)
