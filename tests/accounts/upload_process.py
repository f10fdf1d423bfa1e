"""A server's process of its own that takes one file after another, each in a child, and says what memory and time each took.

Arguments: the database, the account, a token, and a folder of files. Prints a line of JSON for each. The files come to the
application as a server hands them over: from the disk.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from accounts.tasks import post_import  # noqa: E402
from config.wsgi import application  # noqa: E402

PEAK = resource.RUSAGE_SELF
BOUNDARY = "a-boundary-that-no-file-holds"
START = (
    b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
END = b"\r\n--" + BOUNDARY.encode() + b"--\r\n"


def tell(**told: object) -> None:
    """Print a line."""
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


def call(method: str, path: str, token: str, **environ: object) -> tuple[int, dict[str, Any]]:
    """Call the application as a server does."""
    said: list[str] = []
    about = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "HTTP_HOST": "localhost",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "REMOTE_ADDR": f"10.1.{os.getpid() >> 8 & 255}.{os.getpid() & 255}",
    }
    answer = application({**about, **environ}, lambda status, _headers: said.append(status))
    body = b"".join(answer)
    getattr(answer, "close", list)()  # an answer need not have one
    return int(said[0][:3]), json.loads(body)


def main() -> None:
    """Take every file of a folder."""
    database, account, token, folder = sys.argv[1:]
    for connection in connections.all():
        connection.close()
        connection.settings_dict["NAME"] = database
        settings.DATABASES[connection.alias]["NAME"] = database
    settings.CACHES["default"]["KEY_PREFIX"] = database
    for path in sorted(Path(folder).iterdir()):
        connections.close_all()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            told = take(path, f"/api/v1/accounts/{account}/imports/", token)
            tell(name=path.name, **told)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            tell(name=path.name, died=status)


def take(path: Path, address: str, token: str) -> dict[str, object]:
    """Send a file, let a worker post it if one has to, and say what came of it."""
    before, start = resource.getrusage(PEAK).ru_maxrss, time.process_time()
    with tempfile.TemporaryFile() as body:
        body.write(START % path.name.encode())
        with path.open("rb") as file:
            shutil.copyfileobj(file, body)
        body.write(END)
        length = body.tell()
        body.seek(0)
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        status, told = call("POST", address, token, **{"wsgi.input": body, "CONTENT_LENGTH": str(length), "CONTENT_TYPE": kind})
    if status == 202:
        post_import(batch_id=told["id"])
        _, told = call("GET", f"{address}{told['id']}/", token, **{"wsgi.input": BytesIO()})
    peak = resource.getrusage(PEAK).ru_maxrss
    return {
        "status": status,
        "code": told.get("code") or told["status"],
        "detail": told.get("detail", "") or str(told.get("errors", told.get("remarks", ""))),
        "posted": told.get("posted", 0),
        "refused": len(told.get("refused", ())),
        "before": before // 1024,
        "peak": peak // 1024,
        "seconds": round(time.process_time() - start, 1),  # of work: others may keep the machine busy
    }


if __name__ == "__main__":
    main()
