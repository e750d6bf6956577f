"""A store in a folder and one on S3: what is promised of one is promised of both."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
import warnings

import pytest

from seq_gym.market.store import Store


@pytest.fixture(scope="session")
def s3_endpoint():
    """Address of a local S3 server: moto's."""
    for name in ("moto", "flask_cors"):
        pytest.importorskip(name, reason=f"{name}, of the dev extra, serves a local S3")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("moto_server did not answer within 30 s")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def s3_environ(s3_endpoint, monkeypatch):
    """The usual variables, naming a bucket of the test's own; returns the bucket."""
    from pyarrow import fs

    for name in [name for name in os.environ if name.startswith(("AWS_", "SIM_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system = fs.S3FileSystem(
            access_key="testing",
            secret_key="a-secret",
            region="us-east-1",
            endpoint_override=s3_endpoint.removeprefix("http://"),
            scheme="http",
            allow_bucket_creation=True,
        )
        system.create_dir(bucket)
    return bucket


@pytest.fixture(params=["folder", "s3"])
def where(request, tmp_path):
    """Where a store lies, for Store.open."""
    if request.param == "folder":
        return str(tmp_path / "sim")
    return f"s3://{request.getfixturevalue('s3_environ')}/a/prefix"


@pytest.fixture
def store(where):
    return Store.open(where)


@pytest.fixture
def folder_store(tmp_path):
    return Store.open(tmp_path / "sim")
