"""memferry webhook sign and verify: the real command, beside the openssl command."""
import base64
import re
import shutil
import subprocess

import pytest

from command import Command
from harness import MEMFERRY, SOURCE, Broker, scratch

# As the libraries of Standard Webhooks publish it.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"test": 2432232314}'
ID, TIME = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
USAGE, DATA, INTERNAL = 64, 65, 70


@pytest.fixture
def hand():
    """The command, in a directory with a body; no broker runs, and none is started."""
    with scratch() as root:
        command = Command(Broker(root))
        command.environment["MEMORY_WEBHOOK_TOKEN"] = SECRET
        command.root = root
        command.body = root / "body.json"
        command.body.write_text(BODY)
        yield command
        assert not (root / "s").exists(), "a broker was started"


def headers_of(text):
    return dict(line.split(": ", 1) for line in text.splitlines())


def openssl(key, data):
    told = subprocess.run(["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt",
                           f"hexkey:{key.hex()}", "-binary"], input=data, capture_output=True,
                          check=True)
    return told.stdout


def sign(hand, *more):
    return headers_of(hand.ok("webhook", "sign", *more, hand.body))


def verify(hand, headers, *more, body=None, now=TIME):
    file = hand.root / "headers"
    file.write_text("".join(f"{name}: {value}\r\n" for name, value in headers.items()))
    return hand.run("webhook", "verify", "--headers", file, "--now", now, *more,
                    body or hand.body)


def test_published_vector_is_signed_as_published(hand):
    headers = sign(hand, "--id", ID, "--timestamp", TIME)
    assert headers["webhook-id"] == ID and headers["webhook-timestamp"] == str(TIME)
    assert headers["webhook-signature"] == SIGNATURE
    assert headers["Content-Type"] == "application/json"


def test_signatures_are_those_of_openssl(hand):
    for secret in ("swordfish", "s" * 200, "é ü"):
        hand.environment["OTHER"] = secret
        headers = sign(hand, "--secret-env", "OTHER")
        key = secret.encode()
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{BODY}".encode()
        expected = "v1," + base64.b64encode(openssl(key, signed)).decode()
        assert headers["webhook-signature"] == expected
        assert headers["X-Signature-256"] == "sha256=" + openssl(key, BODY.encode()).hex()


def test_two_secrets_make_two_signatures(hand):
    (hand.root / "next").write_text("another\n")
    headers = sign(hand, "--secret-env", "MEMORY_WEBHOOK_TOKEN", "--secret-file",
                   hand.root / "next", "--id", ID, "--timestamp", TIME)
    first, second = headers["webhook-signature"].split(" ")
    assert first == SIGNATURE and second.startswith("v1,")
    hand.environment["MEMORY_WEBHOOK_TOKEN"] = "another"
    assert verify(hand, {**headers, "X-Signature-256": ""}, "--signature-header", "X").returncode == 0


def test_what_it_signed_is_valid_now(hand):
    file = hand.root / "headers"
    file.write_text(hand.ok("webhook", "sign", hand.body))
    assert hand.ok("webhook", "verify", "--headers", file, hand.body) == "valid\n"
    given = [x for line in file.read_text().splitlines() for x in ("--header", line)]
    assert hand.ok("webhook", "verify", *given, "-", stdin=BODY) == "valid\n"
    assert hand.json("webhook", "verify", "--headers", file, hand.body)["valid"] is True


FAULTS = [
    ("another body", {}, {"body": BODY + " "}, "byte by byte"),
    ("a newline more", {}, {"body": BODY + "\n"}, "without the newline at its end"),
    ("another id", {"webhook-id": "msg_other"}, {}, "webhook-signature is wrong"),
    ("another time", {"webhook-timestamp": TIME + 1}, {}, "webhook-signature is wrong"),
    ("no id", {"webhook-id": None}, {}, "no webhook-id"),
    ("no time", {"webhook-timestamp": None}, {}, "no webhook-timestamp"),
    ("a time that is none", {"webhook-timestamp": "soon"}, {}, "no number"),
    ("no signature", {"webhook-signature": None, "X-Signature-256": None}, {}, "not signed"),
    ("another version", {"webhook-signature": SIGNATURE.replace("v1", "v2")}, {}, '"v1,"'),
    ("another hash", {"X-Signature-256": "sha256=" + "0" * 64}, {}, "hash is wrong"),
    ("a hash that is none", {"X-Signature-256": "sha1=00"}, {}, "64 hex digits"),
    ("old", {}, {"now": TIME + 301}, "older than five minutes"),
    ("ahead", {}, {"now": TIME - 301}, "ahead"),
]


@pytest.mark.parametrize("name, changes, how, told", FAULTS, ids=[f[0] for f in FAULTS])
def test_every_fault_is_told_for_what_it_is(hand, name, changes, how, told):
    headers = {**sign(hand, "--id", ID, "--timestamp", TIME), **changes}
    body = hand.root / "other"
    body.write_text(how.get("body", BODY))
    done = verify(hand, {k: v for k, v in headers.items() if v is not None}, body=body,
                  now=how.get("now", TIME))
    assert done.returncode == DATA and done.stdout == "", name
    assert done.stderr.startswith("memferry: not valid: ") and told in done.stderr


def test_another_secret_is_not_valid(hand):
    headers = sign(hand, "--id", ID, "--timestamp", TIME)
    hand.environment["MEMORY_WEBHOOK_TOKEN"] = "another"
    assert "another secret" in verify(hand, headers).stderr


def test_hash_alone_is_valid_and_said_to_have_no_time(hand):
    headers = sign(hand, "--timestamp", TIME)
    done = verify(hand, {"x-signature-256": headers["X-Signature-256"]}, now=TIME + 10**6)
    assert done.returncode == 0 and "does not say when" in done.stdout


def test_bad_secret_is_never_shown(hand):
    for secret in ("whsec_hunter2hunter2!", "whsec_", "whsec_hunter2"):
        hand.environment["MEMORY_WEBHOOK_TOKEN"] = secret
        done = hand.fails(DATA, "webhook", "sign", hand.body)
        assert "base64" in done.stderr and "hunter" not in done.stderr
    hand.environment["MEMORY_WEBHOOK_TOKEN"] = ""
    assert "MEMORY_WEBHOOK_TOKEN is not set" in hand.fails(DATA, "webhook", "sign", hand.body).stderr


def test_wrong_command_lines_are_told(hand):
    for line, told in [
            (["sing", "x"], "can sign and verify"),
            ([], "can sign and verify"),
            (["sign"], "takes one file"),
            (["sign", "a", "b"], "takes one file"),
            (["sign", hand.body, "--now", "1"], "--now does not go with sign"),
            (["verify", hand.body, "--id", "a"], "--id does not go with verify"),
            (["verify", hand.body], "which headers"),
            (["verify", hand.body, "--header", "nothing"], "has no name"),
            (["sign", hand.body, "--id", "a b"], "--id takes"),
            (["sign", hand.body, "--id", "a.b"], "--id takes"),
            (["sign", hand.body, "--timestamp", "now"], "no number of seconds"),
            (["sign", hand.body, "--signature-header", "Host"], "--signature-header"),
            (["sign", hand.body, *["--secret-env", "MEMORY_WEBHOOK_TOKEN"] * 3], "2 secrets"),
            (["sign", hand.body, "--secrets"], "unknown option")]:
        assert told in hand.fails(USAGE, "webhook", *line).stderr, line


def test_files_that_cannot_be_read_are_told(hand):
    assert "cannot open" in hand.fails(DATA, "webhook", "sign", "/none/here").stderr
    assert "cannot open" in hand.fails(DATA, "webhook", "sign", hand.body, "--secret-file",
                                       "/none/here").stderr
    large = hand.root / "large"
    with open(large, "wb") as file:
        file.truncate((64 << 20) + 1)
    assert "which is the most" in hand.fails(DATA, "webhook", "sign", large).stderr


def test_command_without_its_program_says_what_is_missing(hand):
    alone = hand.root / "memferry"
    shutil.copy(MEMFERRY, alone)
    done = subprocess.run([alone, "webhook", "sign", hand.body], env=hand.environment, text=True,
                          capture_output=True, check=False)
    assert done.returncode == INTERNAL and "memferry-webhook is not installed" in done.stderr
    beside = hand.root / "libexec/memferry"
    beside.mkdir(parents=True)
    shutil.copy(MEMFERRY.parent.parent / "heavy/memferry-webhook", beside)
    (hand.root / "bin").mkdir()
    alone.rename(hand.root / "bin/memferry")
    done = subprocess.run([hand.root / "bin/memferry", "webhook", "sign", hand.body],
                          env=hand.environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0 and "webhook-signature: v1," in done.stdout


def test_example_of_the_docs_is_what_help_shows(hand):
    shown = re.search(r"memferry webhook sign .*", (SOURCE / "docs/webhooks.md").read_text())
    words = shown.group(0).split("|")[0].split()[1:]
    words[-1] = str(hand.root / words[-1])
    assert "webhook-signature: v1," in hand.ok(*words)
