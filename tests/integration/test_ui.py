"""memferry ui: who is let in, what may be asked, and the page itself in a headless Chromium."""
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess

import pytest

import browser
import harness
from command import Command


class Page:
    """`memferry ui` for a broker, running."""

    def __init__(self, broker):
        self.command = Command(broker)
        self.process = self.command.start("ui")
        self.link = self.process.stdout.readline().strip()
        self.port = int(re.match(r"http://127\.0\.0\.1:(\d+)/\?token=[0-9a-f]{32}$", self.link).group(1))
        self.origin = f"http://127.0.0.1:{self.port}"
        self.cookie = None

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body; with our cookie, if we have it, and what else a browser sends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.DEADLINE_S)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if method == "POST":
            sent["Origin"] = self.origin
        sent.update(headers)
        with contextlib.closing(connection):
            connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def enter(self):
        status, headers, _ = self.ask("GET", self.link.removeprefix(self.origin))
        assert status == 303 and headers["Location"] == "/"
        self.cookie = headers["Set-Cookie"].split(";")[0]
        return headers

    def call(self, method, **params):
        status, _, body = self.ask("POST", f"/call/{method}", json.dumps(params))
        return status, json.loads(body)

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=harness.DEADLINE_S)
        assert self.process.returncode == 0 and out == "", (out, err)
        assert not harness.SANITIZER.search(err), err


@pytest.fixture
def page(broker):
    one = Page(broker)
    yield one
    if one.process.poll() is None:
        one.end()


# ---- who is let in ----

def test_the_link_opens_once_and_sets_a_cookie_that_no_script_or_other_site_gets(page):
    cookie = page.enter()["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert page.ask("GET", "/")[0] == 200
    page.cookie = None
    status, headers, body = page.ask("GET", page.link.removeprefix(page.origin))
    assert status == 403 and headers["Set-Cookie"] is None and "memferry ui" in body


@pytest.mark.parametrize("path", ["/", "/app.js", "/?token=" + "0" * 32, "/?token=", "/nothing"])
def test_without_the_cookie_nothing_is_shown(page, path):
    assert page.ask("GET", path)[0] == 403


def test_another_pages_cookie_is_no_good(page):
    page.enter()
    page.cookie = page.cookie[:-1] + ("0" if page.cookie[-1] != "0" else "1")
    assert page.ask("GET", "/")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}"])
def test_another_host_name_is_refused_whoever_resolves_it_to_us(page, host):
    page.enter()
    assert page.ask("GET", "/", Host=host.format(port=page.port))[0] == 403
    assert page.ask("POST", "/call/stats", "{}", Host=host.format(port=page.port))[0] == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_only_the_page_itself_may_call(page, origin):
    page.enter()
    assert page.ask("POST", "/call/stats", "{}", Origin=origin and origin.format(port=page.port))[0] == 403


def test_it_listens_on_loopback_alone(page):
    listening = subprocess.run(["ss", "-Htln", f"sport = :{page.port}"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{page.port}"]


# ---- what may be asked ----

def test_nothing_may_load_frame_or_keep_the_page(page):
    page.enter()
    headers = page.ask("GET", "/")[1]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["memory.put", "memory.delete", "memory.purge", "memory.import", "store.backup",
                                    "backend.forget", "session.end", "event.subscribe", "", "..%2fstats"])
def test_what_the_page_has_no_button_for_is_not_passed_on(page, method):
    page.enter()
    assert page.ask("POST", f"/call/{method}", "{}")[0] == 404


def test_calls_answer_what_the_broker_does(page, broker):
    page.enter()
    page.command.ok("put", "--id", "tea", "Tea is at four")
    assert page.call("memory.get", id="tea")[1]["content"] == "Tea is at four"
    status, told = page.call("memory.get", id="none")
    assert status == 422 and "none" in told["message"]
    broker.kill()
    status, told = page.call("stats")
    assert status == 503 and told["message"]
    broker.start()
    assert page.call("memory.get", id="tea")[0] == 200


@pytest.mark.parametrize("body", ["{", "[]", "nul\0l", '{"id": ' * 200, "\xff"])
def test_bad_parameters_are_an_error_and_no_more(page, body):
    page.enter()
    status, _, told = page.ask("POST", "/call/memory.get", body.encode("latin-1"))
    assert status in (422, 503) and json.loads(told)["message"]
    assert page.call("stats")[0] == 200


def test_a_request_over_its_limit_is_refused(page):
    page.enter()
    assert page.ask("POST", "/call/memory.get", "x" * (64 * 1024 + 1))[0] == 413
    assert page.ask("PUT", "/", "x")[0] == 405


# ---- the command ----

def test_it_ends_when_it_is_told_to(page):
    page.end(signal.SIGTERM)


def test_a_port_that_is_taken_is_told_with_what_to_do(page):
    told = page.command.fails(74, "ui", "--port", page.port)
    assert str(page.port) in told.stderr and "--port" in told.stderr


@pytest.mark.parametrize("port", ["80", "65536", "x", "-1", ""])
def test_a_port_that_is_none_is_a_usage_error(broker, port):
    Command(broker).fails(64, "ui", f"--port={port}")


# ---- the page ----

@pytest.fixture(scope="module")
def chromium():
    with browser.browsing() as it:
        yield it


HOSTILE = "</p><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.fixture
def opened(page, chromium):
    """60 memories, 40 of them deleted by a session, and one with versions, seen in the browser."""
    put = page.command
    put.ok("put", "--from-json", "-", stdin="".join(
        json.dumps({"id": f"m{i}", "content": f"memory {i} of the garden", "kind": "fact", "tags": [f"t{i % 3}"]}) + "\n"
        for i in range(60)))
    put.ok("put", "--id", "tea", "--kind", "habit", "Tea is at four\nin the garden")
    put.ok("put", "--id", "tea", "Tea is at five\nin the garden")
    put.ok("put", "--id", "odd/%?#& \"'<b>", HOSTILE)
    put.ok("delete", *(f"m{i}" for i in range(40)), "--reason", "tidying")
    chromium.go(page.link)
    chromium.one("h1", "Memories")
    yield page, chromium
    assert chromium.complaints() == []
    chromium.go("about:blank")  # it asks for nothing when the page has ended


def visit(chromium, name):
    chromium.click("nav a", name)
    return chromium.one("h1", name)


def ids(chromium):
    return [one.text() for one in chromium.all("main li.card h2")]


def test_memories_are_found_by_words_and_filters(opened):
    _, chromium = opened
    chromium.one("[role=status]", "22 memories")
    chromium.one("input[name=words]").type("five")
    chromium.click("form.filters button")
    chromium.until(lambda: ids(chromium) == ["tea"], "the one that is found")
    assert chromium.one("mark").text() == "five"
    chromium.one("input[name=words]").clear()
    chromium.one("input[name=tag]").type("t1")
    chromium.one("select[name=deleted]").type("only")
    chromium.click("form.filters button")
    chromium.until(lambda: len(ids(chromium)) == 13 and "m1" in ids(chromium), "the deleted ones with the tag")


def test_a_memory_shows_its_versions_and_what_differs(opened):
    _, chromium = opened
    chromium.click("li a", "tea")
    chromium.one("h1", "tea")
    chromium.until(lambda: [one.text() for one in chromium.all("del, ins")]
                   == ["- removed Tea is at four", "+ added Tea is at five"], "the difference")
    assert len(chromium.all("tbody tr")) == 2


def test_what_a_memory_holds_is_text_and_never_a_page(opened):
    _, chromium = opened
    card = chromium.one("li.card", "odd/")
    assert HOSTILE in card.text()
    chromium.click("li a", "odd/")
    chromium.one("h1", "odd/%?#& \"'<b>")
    assert chromium.one("pre").text() == HOSTILE and chromium.all("main img") == []
    assert "taken" not in chromium.ask("GET", "/title")


def test_sessions_stand_on_a_time_line(opened):
    page, chromium = opened
    session = page.command.ok("session", "current").strip()
    page.command.ok("session", "end", "--reason", "all done")
    visit(chromium, "Sessions")
    card = chromium.one("li.card", session)
    assert "ended by command. all done" in card.text()
    assert chromium.run("return document.querySelector('.line span').getBoundingClientRect().width") > 0
    chromium.click("li.card a", "Its memories")
    chromium.one("[role=status]", "50 memories")
    chromium.click("button", "Show more")
    chromium.one("[role=status]", "62 memories")


def test_backends_are_shown_as_they_are_now(opened):
    page, chromium = opened
    visit(chromium, "Backends")
    chromium.one("main p", "None is configured")
    page.command.broker.configure(f'[backend "mirror"]\nplugin = mirror-file\npath = {page.command.broker.root}/mirror\n')
    page.command.broker.process.send_signal(signal.SIGHUP)
    page.command.broker.wait_log("mirror")
    page.command.ok("flush")
    visit(chromium, "Alerts")
    visit(chromium, "Backends")
    chromium.one("tbody tr", "well")
    page.command.ok("backends", "pause", "mirror")
    chromium.one("tbody tr", "paused")


def test_an_alert_is_undone_after_its_dry_run_was_shown(opened):
    page, chromium = opened
    visit(chromium, "Alerts")
    chromium.one("li.card", "rapid-delete")
    chromium.click("button", "Undo")
    chromium.one("dialog [role=status]", "40 memories would be restored")
    assert "comes back" in chromium.one("dialog tbody tr", "m0").text()
    assert len(page.command.lines("list", "--all")) == 22, "nothing is done before it is confirmed"
    chromium.click("dialog button", "Undo 40 changes")
    chromium.one("dialog", "40 memories restored")
    assert len(page.command.lines("list", "--all")) == 62
    assert page.command.json("get", "m7")["content"] == "memory 7 of the garden"
    chromium.click("dialog button", "Close")
    chromium.click("button", "I have seen it")
    chromium.one("[role=status]", "There is none open")
    assert page.command.lines("alert") == []


def test_cancelling_an_undo_changes_nothing(opened):
    page, chromium = opened
    visit(chromium, "Alerts")
    chromium.click("button", "Undo")
    chromium.one("dialog [role=status]", "would be restored")
    chromium.press("Escape")
    chromium.until(lambda: chromium.all("dialog") == [], "the dialog to go")
    assert len(page.command.lines("list", "--all")) == 22


def tab_to(chromium, name):
    for _ in range(200):
        chromium.press("Tab")
        if name in chromium.focused().name():
            return
    raise AssertionError(f"never reached by Tab: {name}")


def test_all_of_it_works_by_keyboard_alone(opened):
    page, chromium = opened
    chromium.press("Tab")
    assert chromium.focused().name() == "Skip to the content"
    chromium.press("Enter")
    assert chromium.focused().role() == "main"
    tab_to(chromium, "Words")
    for letter in "five":
        chromium.press(letter)
    chromium.press("Enter")
    chromium.until(lambda: ids(chromium) == ["tea"], "the one that is found")
    tab_to(chromium, "tea")
    chromium.press("Enter")
    chromium.until(lambda: chromium.focused().text() == "tea" and chromium.focused().role() == "heading", "the title in focus")
    chromium.run("document.querySelector('nav a').focus()")
    tab_to(chromium, "Alerts")
    chromium.press("Enter")
    chromium.one("h1", "Alerts")
    tab_to(chromium, "Undo rapid-delete")
    chromium.press("Enter")
    chromium.one("dialog button", "Undo 40")
    tab_to(chromium, "Undo 40 changes")
    chromium.press("Enter")
    chromium.one("dialog", "40 memories restored")
    chromium.press("Enter")
    chromium.until(lambda: chromium.all("dialog") == [], "the dialog to go")
    assert len(page.command.lines("list", "--all")) == 62


PAGES = {"#/memories": "Memories", "#/memory/tea": "tea", "#/sessions": "Sessions", "#/backends": "Backends", "#/alerts": "Alerts"}


def open_place(page, chromium, place):
    """From the start, so that nothing of the page before is taken for this one's."""
    chromium.go("about:blank")
    chromium.go(f"{page.origin}/{place}")
    chromium.one("h1", PAGES[place])
    chromium.until(lambda: chromium.one("#broker").text(), "the line at the foot")


@pytest.mark.parametrize("place", PAGES)
def test_a_screen_reader_finds_names_landmarks_and_one_title(opened, place):
    page, chromium = opened
    open_place(page, chromium, place)
    assert len(chromium.all("h1")) == 1
    controls = chromium.all("a, button, input, select, [tabindex='0']")
    assert len(controls) > 4
    assert [one.role() for one in controls if one.ask("displayed") and not one.name()] == []
    assert {one.role() for one in chromium.all("header, nav, main, footer")} == {"banner", "navigation", "main", "contentinfo"}
    assert len(chromium.all("nav a[aria-current=page]")) == 1
    assert chromium.run("return [...document.querySelectorAll('th')].every((one) => one.scope)")
    assert chromium.run("return document.documentElement.lang") == "en"


# The contrast of each piece of text with the nearest ground behind it, by WCAG's formula.
CONTRAST = """
const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((part) => part / 255)
  .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (one) => { for (; one; one = one.parentElement) { const color = getComputedStyle(one).backgroundColor;
  if (!/, 0\\)$/.test(color)) return color; } return "rgb(255, 255, 255)"; };
const low = [];
for (const one of document.querySelectorAll("body *")) {
  if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || one.closest("noscript") || !one.checkVisibility()) continue;
  const pair = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (ratio < 4.5) low.push(`${one.tagName} ${one.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
}
return low;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PAGES)
def test_text_stands_out_in_both_schemes(opened, place, scheme):
    page, chromium = opened
    chromium.scheme(scheme)
    open_place(page, chromium, place)
    assert chromium.run(CONTRAST) == []
    dark = chromium.run("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_a_broker_that_went_away_is_told_and_found_again(broker, chromium):
    page = Page(broker)
    chromium.go(page.link)
    chromium.one("h1", "Memories")
    broker.kill()
    chromium.click("nav a", "Sessions")
    chromium.one("h1", "Something is in the way")
    broker.start()
    chromium.click("button", "Try again")
    chromium.one("h1", "Sessions")
    chromium.go("about:blank")
    chromium.complaints()  # of the broker that was away
    page.end()


if os.environ.get("MEMFERRY_SCREENSHOTS"):
    # For the documents: MEMFERRY_SCREENSHOTS=docs/images pytest tests/integration/test_ui.py -k pictures
    import pathlib

    def test_pictures_for_the_documents(opened):
        page, chromium = opened
        into = pathlib.Path(os.environ["MEMFERRY_SCREENSHOTS"])
        chromium.scheme("light")
        chromium.go(f"{page.origin}/#/memory/tea")
        chromium.one("ins")
        chromium.picture(into / "ui-memory.png")
        chromium.scheme("dark")
        visit(chromium, "Alerts")
        chromium.click("button", "Undo")
        chromium.one("dialog button", "Undo 40")
        chromium.picture(into / "ui-undo.png")
