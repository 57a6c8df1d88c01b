"""Which part of the standard library is there for programs."""

import importlib
import site
import time
import warnings
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

MODULES: Final = tuple(_NAMES.split())
"""Loaded before the file system is gone; what is not here cannot be imported. Names that this Python lacks are left
out. A longer list makes every fork slower."""


def load_modules() -> None:
    """Import what programs may use."""
    warnings.simplefilter("ignore")
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    site.setquit()  # exit() and quit(), which -S leaves out
    time.localtime()
