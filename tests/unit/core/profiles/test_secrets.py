"""Secrets are read from where the profile says, if nobody else can read them there."""

from pathlib import Path

import pytest

from tunnelmgr.api.secret import SecretSource
from tunnelmgr.core.profiles.secrets import SECRET_MAX, ProfileSecrets


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "he.key"
    path.touch(mode=0o600)
    path.write_text("hunter2\n")
    return path


def read(folder: Path, source: SecretSource, name: str, **environment: str) -> str:
    return ProfileSecrets(folder, set(), environment).read(source, name)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_beside_the_profile_is_read_without_its_last_newline(key: Path, mode: int) -> None:
    key.chmod(mode)
    assert read(key.parent, SecretSource.FILE, "he.key") == "hunter2"
    assert read(Path("/"), SecretSource.FILE, str(key)) == "hunter2"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(ValueError, match=rf"secret file 'he.key' is open to others \(mode {mode:04o}\); chmod 600 {key}"):
        read(key.parent, SecretSource.FILE, "he.key")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"secret file '\.' is not a file"):
        read(tmp_path, SecretSource.FILE, ".")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n", "the secret is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * (SECRET_MAX + 1), "is longer than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(key: Path, content: bytes, reason: str) -> None:
    key.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read(key.parent, SecretSource.FILE, "he.key")


def test_a_credential_comes_from_systemd_whatever_its_mode(key: Path) -> None:
    key.chmod(0o440)
    assert read(Path("/"), SecretSource.CREDENTIAL, "he.key", CREDENTIALS_DIRECTORY=str(key.parent)) == "hunter2"


def test_a_credential_is_no_path(key: Path) -> None:
    with pytest.raises(ValueError, match="a credential's name contains no '/'"):
        read(Path("/"), SecretSource.CREDENTIAL, "../he.key", CREDENTIALS_DIRECTORY=str(key.parent))


def test_a_variable_is_read_from_the_environment() -> None:
    assert read(Path("/"), SecretSource.ENV, "HE_KEY", HE_KEY="hunter2") == "hunter2"
    with pytest.raises(ValueError, match="environment variable 'HE_KEY' is not set"):
        read(Path("/"), SecretSource.ENV, "HE_KEY")


def test_only_secrets_in_the_profile_itself_are_remembered(key: Path) -> None:
    inline: set[str] = set()
    secrets = ProfileSecrets(key.parent, inline, {})
    secrets.read(SecretSource.FILE, "he.key")
    secrets.read(SecretSource.INLINE, "in plain sight")
    assert inline == {"in plain sight"}
