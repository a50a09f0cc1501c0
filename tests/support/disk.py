"""What the tests keep on disk."""

import shutil


def kept(folder, largest=2**28):
    """The folder as text; it is begun anew when its files hold too many bytes."""
    if sum(file.stat().st_size for file in folder.glob("*")) > largest:
        shutil.rmtree(folder, ignore_errors=True)
    return str(folder)
