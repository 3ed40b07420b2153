"""TLS and proxies of the HTTP client that plugins share, through n8n-webhook in the real broker.

The certificates are made here, by openssl, of an authority that nobody else trusts.
"""
import ssl
import subprocess

import pytest

from command import assert_none_in, everything_told
from receiver import SECRET, Answer, Receiver, Tunnel, section
from sinks import Backend
from wire import RpcError


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, root):
        self.root = root
        self.ca = root / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "30", "-subj", "/CN=test authority", "-keyout", root / "ca.key", "-out",
                     self.ca)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                       cwd=self.root)

    def issue(self, name, alternative, days=30):
        """(certificate, key), good for these subjectAltNames, and so many days."""
        certificate, key, request = (self.root / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.root / f"{name}.ext"
        extensions.write_text(f"subjectAltName = {alternative}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.root / "ca.key",
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def serve(authority):
    """serve(names, …) for a receiver that speaks TLS."""
    opened = []

    def make(alternative="IP:127.0.0.1", client_ca=None, newest=None, days=30):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(f"server{len(opened)}", alternative, days))
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        if newest:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
        opened.append(Receiver(SECRET, context))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def backend(make_broker, receiver, url=None, environment=(), **options):
    config = section(receiver, **options)
    if url:
        config = config.replace(receiver.url, url)
    broker = make_broker(config, MEMORY_WEBHOOK_TOKEN=SECRET, **dict(environment))
    return Backend(broker, "flow")


def assert_delivers(flow):
    receipt = flow.broker.call("memory.put", id="a", content="x", wait="delivered")
    assert receipt["backends"] == {"flow": "delivered"}


def refusal(flow):
    with pytest.raises(RpcError) as failure:
        flow.call("probe")
    assert flow.status()["circuit"] != "closed"
    return failure.value.message


def test_server_of_a_trusted_authority_is_talked_to(make_broker, serve, authority):
    receiver = serve()
    assert_delivers(backend(make_broker, receiver, ca_file=authority.ca))
    assert [body["id"] for body in receiver.memories()] == ["a"]


def test_server_of_an_unknown_authority_is_not_talked_to(make_broker, serve):
    receiver = serve()
    assert "certificate" in refusal(backend(make_broker, receiver))
    assert not receiver.requests and not receiver.refused


def test_certificate_of_another_name_is_not_accepted(make_broker, serve, authority):
    receiver = serve(alternative="DNS:other.example")
    assert "127.0.0.1" in refusal(backend(make_broker, receiver, ca_file=authority.ca))
    assert not receiver.requests


def test_certificate_that_has_expired_is_not_accepted(make_broker, serve, authority):
    receiver = serve(days=-1)
    assert "expired" in refusal(backend(make_broker, receiver, ca_file=authority.ca))
    assert not receiver.requests and not receiver.refused


@pytest.mark.parametrize("option", ["verify", "insecure", "tls_verify", "ssl_verify", "verify_peer",
                                    "skip_verify"])
def test_no_option_turns_verification_off(make_broker, serve, option):
    receiver = serve()
    config = section(receiver, **{option: "no" if "skip" not in option else "yes"})
    told = make_broker(config, start=False, MEMORY_WEBHOOK_TOKEN=SECRET).run("--check-config")
    assert told.returncode == 78 and option in told.stderr


def test_nothing_around_it_turns_verification_off(make_broker, serve):
    """What other programs look at: their variables, and files in the home directory."""
    receiver = serve()
    flow = backend(make_broker, receiver, environment={
        "CURL_INSECURE": "1", "SSL_NO_VERIFY": "1", "PYTHONHTTPSVERIFY": "0",
        "NODE_TLS_REJECT_UNAUTHORIZED": "0", "GIT_SSL_NO_VERIFY": "1"})
    home = flow.broker.root
    (home / ".curlrc").write_text("insecure\n")
    (home / ".netrc").write_text("machine 127.0.0.1 login ada password netrc-pass-1\n")
    flow.broker.environment["CURL_HOME"] = str(home)
    flow.broker.restart()
    assert "certificate" in refusal(flow)
    assert not receiver.requests and not receiver.refused


def test_login_does_not_go_to_another_machine_unencrypted(make_broker, proxy):
    """The proxy stands for the network: it would read whatever is sent."""
    flow = backend(make_broker, proxy, url="http://hooks.invalid/hook", user="ada",
                   password_env="HOOK_PASSWORD",
                   environment={"http_proxy": place(proxy), "HOOK_PASSWORD": "login-pass-1"})
    told = refusal(flow)
    assert "plain_http" in told and "login-pass-1" not in told
    assert not proxy.requests and not proxy.refused
    flow.broker.stop()
    flow.broker.configure(flow.broker.config.read_text() + "plain_http = yes\n")
    flow.broker.start()
    assert_delivers(flow)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("newest", ["TLSv1", "TLSv1_1"])
def test_tls_before_1_2_is_refused(make_broker, serve, authority, newest):
    receiver = serve(newest=getattr(ssl.TLSVersion, newest))
    refusal(backend(make_broker, receiver, ca_file=authority.ca))
    assert not receiver.requests


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_2_is_taken(make_broker, serve, authority):
    assert_delivers(backend(make_broker, serve(newest=ssl.TLSVersion.TLSv1_2), ca_file=authority.ca))


def test_client_certificate_is_shown_to_a_server_that_asks(make_broker, serve, authority):
    receiver = serve(client_ca=authority.ca)
    certificate, key = authority.issue("client", "DNS:client.example")
    assert_delivers(backend(make_broker, receiver, ca_file=authority.ca, client_cert=certificate,
                            client_key=key))


def test_server_that_asks_for_a_certificate_refuses_without_one(make_broker, serve, authority):
    receiver = serve(client_ca=authority.ca)
    refusal(backend(make_broker, receiver, ca_file=authority.ca))
    assert not receiver.requests


def test_certificate_file_that_cannot_be_used_is_told(make_broker, serve, authority, tmp_path):
    receiver = serve()
    refusal(backend(make_broker, receiver, ca_file=tmp_path / "none.pem"))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    refusal(backend(make_broker, receiver, ca_file=authority.ca, client_cert=empty, client_key=empty))
    assert not receiver.requests


def test_plain_http_on_a_tls_port_is_the_backends_trouble(make_broker, serve):
    receiver = serve()
    refusal(backend(make_broker, receiver, url=receiver.url.replace("https", "http")))


# ---- proxies ----


@pytest.fixture
def proxy():
    it = Receiver(SECRET)
    yield it
    it.close()


def place(receiver, login=""):
    return f"http://{login}127.0.0.1:{receiver.port}"


def test_proxy_of_the_environment_is_used(make_broker, proxy):
    flow = backend(make_broker, proxy, url="http://hooks.invalid/hook",
                   environment={"http_proxy": place(proxy, "ada:proxy-pass-1@")})
    assert_delivers(flow)
    request = proxy.of("put")[0]
    assert request.path.startswith("http://hooks.invalid/hook")
    assert request.headers["proxy-authorization"] == "Basic YWRhOnByb3h5LXBhc3MtMQ=="


def test_proxy_is_left_aside_for_this_machine_and_where_it_is_not_wanted(make_broker, proxy):
    receiver = Receiver(SECRET)
    try:
        proxies = {"http_proxy": place(proxy), "https_proxy": place(proxy), "all_proxy": place(proxy)}
        assert_delivers(backend(make_broker, receiver, environment=proxies))
        assert_delivers(backend(make_broker, receiver, environment=proxies,
                                url=receiver.url.replace("127.0.0.1", "localhost")))
        flow = backend(make_broker, receiver, url="http://hooks.invalid/hook",
                       environment={**proxies, "no_proxy": "hooks.invalid"})
        assert "hooks.invalid" in refusal(flow)
    finally:
        receiver.close()
    assert not proxy.requests and not proxy.refused


def test_https_goes_through_the_proxy_unread(make_broker, serve, authority):
    receiver = serve(alternative="DNS:hooks.invalid")
    tunnel = Tunnel(receiver.port)
    try:
        flow = backend(make_broker, receiver, url="https://hooks.invalid/hook", ca_file=authority.ca,
                       environment={"https_proxy": f"http://{tunnel.place}"})
        assert_delivers(flow)
    finally:
        tunnel.close()
    assert tunnel.asked and all(head.startswith("CONNECT hooks.invalid:443 ") for head in tunnel.asked)
    assert receiver.of("put")[0].path.startswith("/hook")


def test_password_of_a_proxy_is_never_told(make_broker, proxy):
    proxy.answer = lambda request: Answer(407, request.headers["proxy-authorization"])
    flow = backend(make_broker, proxy, url="http://hooks.invalid/hook",
                   environment={"http_proxy": place(proxy, "ada:proxy-pass-1@")})
    told = refusal(flow)
    assert "proxy wants credentials" in told
    proxy.answer = lambda request: Answer(400, request.headers["proxy-authorization"])
    flow.call("probe")
    flow.broker.call("memory.put", id="a", content="x")
    flow.wait_status("the dead letter", lambda s: s["dead"])
    assert_none_in(everything_told(flow.broker, told.encode()),
                   ["proxy-pass-1", "YWRhOnByb3h5LXBhc3MtMQ"])


def test_proxy_that_is_away_is_the_backends_trouble(make_broker, proxy):
    gone = Receiver(SECRET)
    gone.close()
    flow = backend(make_broker, proxy, url="http://hooks.invalid/hook",
                   environment={"http_proxy": place(gone, "ada:proxy-pass-1@")})
    assert "proxy-pass-1" not in refusal(flow)
    assert flow.status()["dead"] == 0
