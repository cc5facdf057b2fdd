import pytest

pytest.importorskip("lance")


@pytest.fixture
def db(tmp_path):
    import quiver

    return quiver.connect(tmp_path / "db")
