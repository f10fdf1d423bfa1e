"""The site as a browser meets it: the real WSGI application on a port of its own, and Debian's Chromium in front of it."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from config.wsgi import application

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request, with database connections that end with it."""

    daemon_threads = True

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.close_all()


class Quiet(WSGIRequestHandler):
    """Says nothing about the requests."""

    def log_message(self, *_arguments) -> None:
        """Keep the suite's output to itself."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the site from a thread and give its address."""
    server = make_server("127.0.0.1", 0, application, Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def chromium() -> str:
    """Return the program, installed where that is possible; without one, what asks for it is skipped."""
    if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("There is no Chromium, and it can't be installed here.")
    return program


@contextmanager
def opened() -> Iterator[Browser]:
    """Start a browser without a profile."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page and everything it did that a page of ours must not do."""

    def __init__(self, browser: Browser, address: str, **options) -> None:
        self.address, self.faults = address, []
        self.page: Page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self.asked)
        self.page.on("response", self.answered)
        self.page.on("dialog", self.alarmed)

    def heard(self, message) -> None:
        """Note what the console was told."""
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def asked(self, request) -> None:
        """Note requests that leave the machine."""
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"outside: {request.url}")

    def answered(self, response) -> None:
        """Note answers that are none."""
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def alarmed(self, dialog) -> None:
        """Note that some text was believed to be a script."""
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def enter(self, email: str, password: str) -> "Visit":
        """Log in."""
        self.page.goto(f"{self.address}/admin/")
        self.page.fill("#id_username", email)
        self.page.fill("#id_password", password)
        self.page.click("#login-form button[type=submit]")
        self.page.wait_for_selector("#desk")
        return self

    def go(self, path: str) -> "Visit":
        """Open a page of the site and let it come to rest."""
        self.page.goto(self.address + path)
        self.page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")  # the page's scripts have begun
        return self

    def too_wide(self) -> int:
        """Return by how much the page would have to be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def ink(self, canvas: str) -> int:
        """Return how many pixels of a canvas were drawn on."""
        script = """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((alpha, index) => index % 4 === 3 && alpha > 0).length;
        }"""
        self.page.wait_for_function(f"document.querySelector('{canvas}').width > 0")
        return self.page.locator(canvas).evaluate(script)
