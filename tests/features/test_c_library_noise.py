import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile
from audio_files import tune

from soundkin.features.c_library_noise import without_c_library_noise

NOISE = b"[src/libmpg123/id3.c:process_comment():584] error: No comment text\nNote: Trying to resync...\n"


def test_only_the_noise_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with without_c_library_noise():
        os.write(2, b"ours\n" + NOISE + b"progress 10%\rprogress 20%\r")
    os.write(2, b"\nafter\n")
    assert capfd.readouterr().err == "before\nours\nprogress 10%\rprogress 20%\r\nafter\n"


def test_threads_overlap(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            with without_c_library_noise():
                os.write(2, NOISE)
                os.write(2, f"thread {number} turn {turn}\n".encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"thread {number} turn {turn}" for number in range(4) for turn in range(50)}
    assert set(capfd.readouterr().err.splitlines()) == expected


def test_descriptor_is_restored_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), without_c_library_noise():
        raise KeyError
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


@pytest.mark.slow
def test_works_without_a_stderr(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tune(44_100), 44_100)
    code = (
        "import sys; from pathlib import Path; from soundkin.features.decode import read_waveform\n"
        "print(len(read_waveform(Path(sys.argv[1]), 22_050).samples))"
    )
    command = f'exec 2>&-; exec "{sys.executable}" -c "{code}" "{tmp_path}/a.mp3"'
    answer = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout == "66150\n"
