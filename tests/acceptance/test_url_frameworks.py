"""Web frameworks behind function URLs, as they come from their registries; asked like by a browser.

Flask (apig-wsgi), FastAPI (Mangum) and Express (serverless-http) serve the same small site, whose
answers show what the framework understood; so does an ordinary web server (gunicorn with Flask) that
knows nothing of Lambda, behind AWS Lambda Web Adapter, whole and streaming.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
import uv
from tests.acceptance import web_adapter
from tests.acceptance.conftest import ROLE, RUNTIME, Server, wait_at_rest
from tests.acceptance.packages import archive
from tests.acceptance.test_function_urls import open_to_all

from lambd.runtimes import npm
from lambd.runtimes.cache import Cache

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

# Web Adapter may have to be built first.
pytestmark = [pytest.mark.slow, pytest.mark.oci, pytest.mark.timeout(900)]

FLASK = """
import hashlib
import apig_wsgi
from flask import Flask, jsonify, make_response, redirect, request

app = Flask(__name__)

@app.get("/")
def home():
    answer = make_response("<p>hello</p>")
    answer.set_cookie("first", "1")
    answer.set_cookie("second", "a b", httponly=True)
    return answer

@app.get("/cookies")
def cookies():
    return jsonify(dict(request.cookies))

@app.get("/old")
def old():
    return redirect("/cookies")

@app.get("/query")
def query():
    return jsonify(request.args.to_dict(flat=False))

@app.post("/form")
def form():
    return jsonify(request.form.to_dict())

@app.post("/upload")
def upload():
    return jsonify(digest=hashlib.sha256(request.data).hexdigest())

@app.get("/image")
def image():
    return bytes(range(256)), 200, {"Content-Type": "image/png"}

@app.get("/path/<path:rest>")
def path(rest):
    return jsonify(rest=rest)

@app.get("/broken")
def broken():
    return "teapot", 418

handler = apig_wsgi.make_lambda_handler(app)
"""

FASTAPI = """
import hashlib
from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from mangum import Mangum

app = FastAPI()

@app.get("/", response_class=HTMLResponse)
@app.head("/")
async def home(response: Response):
    response.set_cookie("first", "1")
    response.set_cookie("second", "a b", httponly=True)
    return "<p>hello</p>"

@app.get("/cookies")
async def cookies(request: Request):
    return {name: value.strip('"') for name, value in request.cookies.items()}

@app.get("/old")
async def old():
    return RedirectResponse("/cookies", 302)

@app.get("/query")
async def query(request: Request):
    found = {}
    for name, value in request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return found

@app.post("/form")
async def form(request: Request):
    return dict(await request.form())

@app.post("/upload")
async def upload(request: Request):
    return {"digest": hashlib.sha256(await request.body()).hexdigest()}

@app.get("/image")
async def image():
    return Response(bytes(range(256)), media_type="image/png")

@app.get("/path/{rest:path}")
async def path(rest: str):
    return {"rest": rest}

@app.get("/broken")
async def broken():
    return Response("teapot", 418)

handler = Mangum(app, lifespan="off")
"""

EXPRESS = """
const { createHash } = require("node:crypto");
const express = require("express");
const serverless = require("serverless-http");

const app = express();
app.set("query parser", "simple");

app.get("/", (request, response) => {
  response.cookie("first", "1");
  response.cookie("second", "a b", { httpOnly: true });
  response.send("<p>hello</p>");
});
app.get("/cookies", (request, response) => {
  const found = {};
  for (const item of (request.headers.cookie ?? "").split("; ")) {
    const [name, value] = item.split("=");
    found[name] = decodeURIComponent(value).replaceAll('"', "");
  }
  response.json(found);
});
app.get("/old", (request, response) => response.redirect("/cookies"));
app.get("/query", (request, response) => {
  const found = {};
  for (const [name, value] of Object.entries(request.query)) found[name] = [value].flat();
  response.json(found);
});
app.post("/form", express.urlencoded({ extended: false }), (request, response) =>
  response.json(request.body));
app.post("/upload", express.raw({ type: "*/*" }), (request, response) =>
  response.json({ digest: createHash("sha256").update(request.body).digest("hex") }));
app.get("/image", (request, response) =>
  response.type("image/png").send(Buffer.from(Array.from({ length: 256 }, (_, i) => i))));
app.get("/path/*rest", (request, response) =>
  response.json({ rest: request.params.rest.join("/") }));
app.get("/broken", (request, response) => response.status(418).send("teapot"));

module.exports.handler = serverless(app, { binary: ["image/*"] });
"""


# Flask's site without a handler, and the program that serves it.
SITE = FLASK.replace("import apig_wsgi\n", "").partition("handler =")[0]
RUN = "#!/bin/sh\nexec python3 -m gunicorn --bind 127.0.0.1:$PORT --worker-tmp-dir /tmp app:app\n"
# The wrapper of AWS's own layer.
WRAPPER = '#!/bin/bash\n\nexec -- "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'


def from_pypi(directory: Path, *packages: str) -> None:
    """Install packages for the runtime's interpreter."""
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(directory)]
    command += ["--python-version", RUNTIME.removeprefix("python"), "--only-binary", ":all:"]
    subprocess.run([*command, *packages], check=True)


def from_npm(directory: Path, *packages: str) -> None:
    """Install packages with the npm that lambd installs those of its runtimes with."""
    command = npm._command(Cache(Path("/var/cache/lambd"), os.environ))
    command += ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}"}
    subprocess.run([*command, *packages], cwd=directory, env=environment, check=True)


def zipped_tree(directory: Path) -> bytes:
    """An archive of a directory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for path in directory.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                packed.write(path, path.relative_to(directory))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Site:
    """One framework's site, and a client with a memory for cookies."""

    client: requests.Session
    address: str
    host: str

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request; cookies and redirects as browsers have them."""
        headers = {"Host": self.host, **arguments.pop("headers", {})}
        return self.client.request(
            method, f"{self.address}{path}", headers=headers, timeout=60, **arguments
        )


def adapted(aws: LambdaClient, directory: Path, invoke_mode: str) -> dict[str, Any]:
    """What makes a function of an unmodified web server in a directory."""
    from_pypi(directory, "flask==3.1.3", "gunicorn==26.0.0")
    (directory / "app.py").write_text(SITE)
    (directory / "run.sh").write_text(RUN)
    (directory / "run.sh").chmod(0o755)
    files: dict[str, str | bytes] = {
        "extensions/lambda-adapter": web_adapter.build().read_bytes(),
        "bootstrap": WRAPPER,
    }
    layer = aws.publish_layer_version(
        LayerName="web-adapter", Content={"ZipFile": archive(files, mode=0o755)}
    )
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": invoke_mode.lower(),
        "PORT": "8080",
        "PYTHONPATH": "/var/task",
    }
    return {
        "Handler": "run.sh",
        "Layers": [layer["LayerVersionArn"]],
        "Environment": {"Variables": variables},
    }


@pytest.fixture(
    scope="module",
    params=["flask", "fastapi", "express", "gunicorn", "gunicorn-streaming"],
)
def site(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Each framework in turn."""
    directory = tmp_path_factory.mktemp(request.param)
    aws = server.lambda_client()
    function: dict[str, Any] = {"Runtime": RUNTIME, "Handler": "app.handler"}
    mode = "BUFFERED"
    match request.param:
        case "flask":
            from_pypi(directory, "flask==3.1.3", "apig-wsgi==2.20.0")
            (directory / "app.py").write_text(FLASK)
        case "fastapi":
            packages = ("fastapi==0.165.0", "mangum==0.22.0", "python-multipart==0.0.34")
            from_pypi(directory, *packages)
            (directory / "app.py").write_text(FASTAPI)
        case "gunicorn" | "gunicorn-streaming":
            mode = "RESPONSE_STREAM" if "-" in request.param else "BUFFERED"
            function |= adapted(aws, directory, mode)
        case _:
            from_npm(directory, "express@5.3.0", "serverless-http@4.0.0")
            (directory / "index.js").write_text(EXPRESS)
            function = {"Runtime": "nodejs24.x", "Handler": "index.handler"}
    aws.create_function(
        FunctionName=request.param,
        Role=ROLE,
        **function,
        Code={"ZipFile": zipped_tree(directory)},
        Timeout=30,
        MemorySize=512,
    )
    wait_at_rest(aws, request.param)
    url = urlsplit(open_to_all(aws, request.param, InvokeMode=mode))
    with requests.Session() as client:
        yield Site(client, f"http://127.0.0.1:{server.port}", url.netloc)
    aws.delete_function(FunctionName=request.param)


def test_cookies_and_redirects(site: Site) -> None:
    """What the site sets comes back, also after a redirect."""
    home = site.ask("GET", "/")
    assert (home.status_code, home.text) == (200, "<p>hello</p>")
    assert home.headers["Content-Type"].startswith("text/html")
    assert len(home.raw.headers.getlist("Set-Cookie")) == 2
    moved = site.ask("GET", "/old")
    assert [each.status_code for each in moved.history] == [302]
    assert moved.json()["first"] == "1"
    assert moved.json()["second"].strip('"') == "a b"


def test_requests_arrive_as_sent(site: Site) -> None:
    """Repeated parameters, forms, bytes, encoded paths."""
    query = site.ask("GET", "/query?a=1&a=2&b=x%26y&c=")
    assert query.json() == {"a": ["1", "2"], "b": ["x&y"], "c": [""]}
    form = site.ask("POST", "/form", data={"name": "Ä & Ö", "empty": ""})
    assert form.json() == {"name": "Ä & Ö", "empty": ""}
    body = bytes(range(256)) * 100
    uploaded = site.ask("POST", "/upload", data=body, headers={"Content-Type": "image/png"})
    assert uploaded.json() == {"digest": hashlib.sha256(body).hexdigest()}
    # AWS decodes paths, so that not every adapter gets letters beyond ASCII right.
    assert site.ask("GET", "/path/a%20b/c").json() == {"rest": "a b/c"}


def test_answers_arrive_as_sent(site: Site) -> None:
    """Bytes, statuses of the site's own, unknown paths, HEAD."""
    image = site.ask("GET", "/image")
    assert (image.content, image.headers["Content-Type"]) == (bytes(range(256)), "image/png")
    broken = site.ask("GET", "/broken")
    assert (broken.status_code, broken.text) == (418, "teapot")
    assert site.ask("GET", "/nowhere").status_code == 404
    head = site.ask("HEAD", "/")
    assert (head.status_code, head.content) == (200, b"")
