"""Asks the site how it is, the way a health check does: `python -m config.probe [PORT]` exits 0 if all is well."""

import http.client
import os
import sys

PORT = "8000"


def ask(port: int, *, timeout: float = 5) -> tuple[int, str]:
    """Return the status and the text of the health page, or 0 and the reason why nothing came back."""
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip() or "localhost"  # any other name would be refused
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/health/", headers={"Host": host.removeprefix(".")})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """Print what the health page says; fail if it is not well."""
    status, text = ask(int(arguments[0] if arguments else os.environ.get("PORT", PORT)))
    sys.stdout.write(f"{status} {text}\n")
    return int(status != http.client.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
