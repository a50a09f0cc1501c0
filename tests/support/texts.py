"""What a printed text may contain."""


def check_printable(text):
    for encoding in ("latin-1", "cp1252"):
        text.encode(encoding)
