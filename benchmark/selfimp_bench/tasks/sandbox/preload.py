"""Which part of the standard library is there for programs, and which packages."""

import importlib
import os
import re
import site
import sys
import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_NAMES: Final = """
abc argparse array ast base64 binascii bisect builtins calendar cmath codecs collections collections.abc
concurrent.futures.thread contextlib contextvars copy copyreg csv ctypes dataclasses datetime decimal difflib dis
doctest enum errno fcntl fnmatch fractions functools gc glob graphlib hashlib heapq hmac html importlib importlib.util
inspect io ipaddress itertools json keyword linecache locale logging math mmap numbers operator os os.path pathlib
pickle platform posixpath pprint queue random re reprlib resource sched secrets select shlex shutil signal socket
statistics string stringprep struct subprocess symtable sys tempfile textwrap threading time timeit token tokenize
traceback types typing unicodedata unittest urllib.parse uuid warnings weakref zlib encodings.ascii
encodings.base64_codec encodings.cp1252 encodings.cp437 encodings.hex_codec encodings.idna encodings.latin_1
encodings.punycode encodings.raw_unicode_escape encodings.rot_13 encodings.unicode_escape encodings.utf_16
encodings.utf_16_be encodings.utf_16_le encodings.utf_32 encodings.utf_8_sig _strptime
"""

_WIDE_NAMES: Final = """
asyncio bz2 configparser email.message gzip html.parser lzma sqlite3 tarfile xml.dom.minidom
xml.etree.ElementTree zipfile numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.testing
"""

PACKAGES: Final = ("numpy",)
"""Distributions that programs and tests may use besides; the locks of ``ci/locks`` pin their files by hash."""

_ONE_THREAD: Final = "OPENBLAS_NUM_THREADS"  # else numpy starts threads, which no fork has

WIDE: Final = tuple(_WIDE_NAMES.split())
"""Loaded besides in a wide zygote, which is for programs and tests that name one of these."""

_IMPORTED: Final = re.compile(
    rf"\b(?:import|from)\s[^\n]*\b(?:{'|'.join(sorted({each.partition('.')[0] for each in WIDE}))})\b"
)

MODULES: Final = tuple(_NAMES.split())
"""Loaded before the file system is gone; what is not here cannot be imported. Names that this Python lacks are left
out. A longer list makes every fork slower."""


def are_wide(texts: Iterable[str]) -> bool:
    """Whether a program or a test imports what only a wide zygote has."""
    return any(_IMPORTED.search(text) for text in texts)


def load_modules(*, packages: str | None) -> None:
    """Import what programs may use; packages: a folder with those of the list, for a wide zygote."""
    warnings.simplefilter("ignore")
    if packages is not None:
        sys.path.append(packages)
        os.environ[_ONE_THREAD] = "1"
    for name in MODULES if packages is None else MODULES + WIDE:
        with suppress(ImportError):
            importlib.import_module(name)
    os.environ.pop(_ONE_THREAD, None)
    site.setquit()  # exit() and quit(), which -S leaves out
    time.localtime()
