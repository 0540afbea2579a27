from pathlib import Path

from services.cli.secret_file import read_or_create


class TestReadOrCreate:
    def test_a_secret_is_made_once_and_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.key"
        secret = read_or_create(path)
        assert len(secret) >= 64
        assert path.stat().st_mode & 0o777 == 0o600
        assert read_or_create(path) == secret
        assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]

    def test_what_a_person_put_there_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.key"
        path.write_text("mine\n", encoding="utf-8")
        assert read_or_create(path) == "mine"

    def test_an_empty_file_and_an_unfinished_one_count_as_none(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.key"
        path.touch()
        path.with_name("secret.key.new").write_text("half", encoding="utf-8")
        assert len(read_or_create(path)) >= 64
