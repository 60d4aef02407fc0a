from pathlib import Path

from worker.demo.mails import MailFolder
from worker.embedded.inbox import Mail


def test_each_mail_is_a_file_in_the_order_of_arrival(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path)
    for content in (b"one\r\n", b"two\r\n"):
        folder.add(Mail(content=content))

    assert [b"one\r\n", b"two\r\n"] == [path.read_bytes() for path in sorted(tmp_path.glob("*.eml"))]
