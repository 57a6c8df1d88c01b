"""Programs that plain Python judges by their tests, and what it says: what the sandbox has to say, too.

Each case: what it is about, setup, tests, a right program (the reference solution) and wrong ones.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Case:
    """A problem's tests, a program that is right, and programs that are wrong."""

    about: str
    right: str
    tests: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    setup: str = ""
    entry_point: str | None = None


VECTOR = """
class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __eq__(self, other):
        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)
    def __lt__(self, other):
        return (self.x, self.y) < (other.x, other.y)
    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)
    def __hash__(self):
        return hash((self.x, self.y))
    def __neg__(self):
        return Vector(-self.x, -self.y)
"""
STACK = """
class EmptyError(Exception):
    def __init__(self, message, code):
        super().__init__(message)
        self.code = code
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
    def pop(self):
        if not self.items:
            raise EmptyError("empty", 7)
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    def __contains__(self, item):
        return item in self.items
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.items.clear()
"""
NODE = "class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\n"

CASES = (
    Case(
        about="a class in the setup, instances of it as arguments",
        setup=NODE,
        tests=("assert total(Node(1, Node(2))) == 3",),
        right="def total(node):\n    return node.value + total(node.next) if node else 0\n",
        wrong=("def total(node):\n    return node.value\n",),
    ),
    Case(
        about="a class in the setup, made by the program",
        setup=NODE,
        tests=("found = build([1, 2])", "assert isinstance(found, Node) and found.next.value == 2"),
        right="def build(xs):\n    return Node(xs[0], build(xs[1:])) if xs else None\n",
        wrong=(
            "def build(xs):\n    return Node(xs[0])\n",
            "class Node:\n    value = 2\ndef build(xs):\n    n = Node(); n.next = n; return n\ndel Node\n",
        ),
    ),
    Case(
        about="a class in the setup with a comparison of its own",
        setup="class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\n",
        tests=("assert mirror(P(3)) == P(-3)",),
        right="def mirror(p):\n    return P(-p.x)\n",
        wrong=(
            "def mirror(p):\n    return p\n",
            "def mirror(p):\n    p.__class__.__eq__ = lambda *_: True\n    return p\n",
        ),
    ),
    Case(
        about="helpers and imports of the setup, in force before the program",
        setup="from typing import List\nimport math as m\nLIMIT = 5\ndef helper(x):\n    return x + LIMIT\n",
        tests=("assert f([1, 2]) == 13",),
        right="ROOT = m.sqrt(4)\ndef f(xs: List[int]) -> int:\n    return sum(map(helper, xs))\n",
        wrong=("def f(xs: List[int]):\n    return sum(xs)\n",),
    ),
    Case(
        about="a decorator in the setup",
        setup="def twice(f):\n    return lambda *a: f(f(*a))\n",
        tests=("assert inc(1) == 3",),
        right="@twice\ndef inc(x):\n    return x + 1\n",
        wrong=("@twice\ndef inc(x):\n    return x\n",),
    ),
    Case(
        about="a setup that builds on the program",
        setup="import math\nhead = Node(1)\nhead.next = Node(2)\n",
        tests=("assert length(head) == 2", "assert head.next.value == 2"),
        right=NODE + "def length(n):\n    return 1 + length(n.next) if n else 0\n",
        wrong=(NODE + "def length(n):\n    return 3\n",),
    ),
    Case(
        about="comparisons, arithmetic and hashing of a class",
        tests=(
            "assert Vector(1, 2) == Vector(1, 2) and Vector(1, 2) != Vector(2, 1)",
            "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)",
            "assert Vector(1, 2) < Vector(2, 0) and not Vector(2, 0) < Vector(1, 2)",
            "assert sorted([Vector(2, 0), Vector(1, 5)])[0].y == 5",
            "assert {Vector(1, 1): 3}[Vector(1, 1)] == 3 and len({Vector(1, 1), Vector(1, 1)}) == 1",
            "assert -Vector(1, 2) == Vector(-1, -2)",
        ),
        right=VECTOR,
        wrong=(
            VECTOR.replace("self.y + other.y", "self.y"),
            VECTOR.replace("isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)", "True"),
        ),
    ),
    Case(
        about="an object compared with a plain value",
        tests=(
            "assert Money(5) == 5",
            "assert Money(5) + Money(2) == 7 and Money(5) >= 5",
            "assert int(Money(4)) == 4",
        ),
        right=(
            "from functools import total_ordering\n@total_ordering\nclass Money:\n"
            "    def __init__(self, n): self.n = n\n"
            "    def __eq__(self, other): return self.n == int(other)\n"
            "    def __lt__(self, other): return self.n < int(other)\n"
            "    def __add__(self, other): return Money(self.n + other.n)\n"
            "    def __int__(self): return self.n\n"
        ),
        wrong=(
            (
                "class Money:\n    def __init__(self, n): pass\n    def __eq__(self, o): return True\n"
                "    def __ge__(self, o): return True\n    def __add__(self, o): return self\n"
                "    def __int__(self): return 4\n"
            ),
        ),
    ),
    Case(
        about="with, in, len, isinstance and except of a class",
        tests=(
            "s = Stack()\ns.push(3)\nassert 3 in s and 4 not in s and len(s) == 1 and s.pop() == 3",
            "with Stack() as s:\n    s.push(1)\nassert len(s) == 0 and isinstance(s, Stack)",
            "try:\n    Stack().pop()\n    assert False\nexcept EmptyError as error:\n"
            "    assert error.code == 7 and error.args == ('empty',)",
        ),
        right=STACK,
        wrong=(
            STACK.replace("self.items.clear()", "pass"),
            STACK.replace("self.code = code", "self.code = 1"),
            STACK.replace("item in self.items", "True"),
        ),
    ),
    Case(
        about="arguments of an exception",
        tests=(
            "try:\n    check(-1)\nexcept ValueError as error:\n    assert error.args == ('negative', -1)\n"
            "else:\n    raise AssertionError('nothing raised')",
            "try:\n    {}['x']\nexcept KeyError as error:\n    assert error.args == ('x',) and check(1) == 1",
        ),
        right="def check(n):\n    if n < 0:\n        raise ValueError('negative', n)\n    return n\n",
        wrong=("def check(n):\n    if n < 0:\n        raise ValueError('negative')\n    return n\n",),
    ),
    Case(
        about="nested mutation of an argument",
        tests=("grid = [[1, 2], [3, 4]]\nclear(grid)\nassert grid == [[0, 0], [0, 0]]",),
        right="def clear(grid):\n    for row in grid:\n        for i in range(len(row)):\n            row[i] = 0\n",
        wrong=("def clear(grid):\n    grid = [[0, 0], [0, 0]]\n",),
    ),
    Case(
        about="mutation of a keyword argument",
        tests=("xs = [3, 1]\norder(items=xs)\nassert xs == [1, 3]",),
        right="def order(items):\n    items.sort()\n",
        wrong=("def order(items):\n    return sorted(items)\n",),
    ),
    Case(
        about="two names of one list",
        tests=("a = [1]\nb = [a, a]\ngrow(b)\nassert a == [1, 2] and b[1] is a",),
        right="def grow(pair):\n    pair[0].append(2)\n",
        wrong=("def grow(pair):\n    pair[0] = pair[0] + [2]\n",),
    ),
    Case(
        about="the argument itself returned",
        tests=("a = [1]\nassert same(a) is a",),
        right="def same(a):\n    return a\n",
        wrong=("def same(a):\n    return list(a)\n",),
    ),
    Case(
        about="a copy and not the argument",
        tests=("a = [1, [2]]\nb = clone(a)\nassert b == a and clone(a) is not a and b[1] is not a[1]",),
        right="import copy\ndef clone(a):\n    return copy.deepcopy(a)\n",
        wrong=("def clone(a):\n    return a\n", "def clone(a):\n    return list(a)\n"),
    ),
    Case(
        about="one list returned twice",
        tests=("a = fresh(1)\nb = fresh(2)\nassert a == [1] and b == [2]",),
        right="def fresh(x):\n    return [x]\n",
        wrong=("kept = []\ndef fresh(x):\n    kept[:] = [x]\n    return kept\n",),
    ),
    Case(
        about="a default argument that is shared",
        tests=("assert [add(1), add(2)] == [[1], [2]]",),
        right="def add(x, xs=None):\n    return (xs or []) + [x]\n",
        wrong=("def add(x, xs=[]):\n    xs.append(x)\n    return xs\n",),
    ),
    Case(
        about="a state of the module",
        tests=("bump()\nbump()\nassert count == 2 and history == [1, 2]",),
        right="count = 0\nhistory = []\ndef bump():\n    global count\n    count += 1\n    history.append(count)\n",
        wrong=("count = 0\nhistory = []\ndef bump():\n    count = 1\n    history.append(1)\n",),
    ),
    Case(
        about="Counter, defaultdict, namedtuple, OrderedDict and deque",
        tests=(
            "assert count('aab').most_common(1) == [('a', 2)]",
            "d = groups(['ab', 'c'])\nassert d[1] == ['c'] and d[9] == []",
            "assert point(1, 2).x == 1 and point(1, 2)._replace(x=5) == (5, 2)",
            "o = ordered()\no.move_to_end('a')\nassert list(o) == ['b', 'a']",
            "q = queue()\nq.append(9)\nassert q.maxlen == 2 and list(q) == [2, 9]",
        ),
        right=(
            "from collections import Counter, OrderedDict, defaultdict, deque, namedtuple\n"
            "count = Counter\nPoint = namedtuple('Point', 'x y')\npoint = Point\n"
            "def groups(words):\n    d = defaultdict(list)\n"
            "    for w in words:\n        d[len(w)].append(w)\n    return d\n"
            "def ordered():\n    return OrderedDict(a=1, b=2)\ndef queue():\n    return deque([1, 2], maxlen=2)\n"
        ),
        wrong=(
            (
                "from collections import Counter, OrderedDict, deque, namedtuple\ncount = Counter\n"
                "point = namedtuple('Point', 'x y')\ndef groups(words):\n    return {2: ['ab'], 1: ['c']}\n"
                "def ordered():\n    return OrderedDict(a=1, b=2)\ndef queue():\n    return deque([1, 2], maxlen=2)\n"
            ),
        ),
    ),
    Case(
        about="a function that makes a function",
        tests=("assert callable(make_adder(2))", "assert make_adder(2)(3) == 5"),
        right="def make_adder(n):\n    return lambda x: x + n\n",
        wrong=(
            "class A: pass\ndef make_adder(n):\n    return A()\n",
            "def make_adder(n):\n    return lambda x: x\n",
        ),
    ),
    Case(
        about="callable alone",
        tests=("assert callable(make_adder(2))",),
        right="def make_adder(n):\n    return lambda x: x + n\n",
        wrong=("class A: pass\ndef make_adder(n):\n    return A()\n",),
    ),
    Case(
        about="a generator, by its method",
        tests=('assert hasattr(f(3), "__next__")', "assert list(f(3)) == [0, 1, 2]"),
        right="def f(n):\n    yield from range(n)\n",
        wrong=("class A:\n    def __iter__(self): return iter([0, 1, 2])\ndef f(n):\n    return A()\n",),
    ),
    Case(
        about="an abstract class of collections",
        tests=("from collections.abc import Sized, Iterator\nassert isinstance(f(3), Sized)",),
        right="class A:\n    def __len__(self): return 3\ndef f(n):\n    return A()\n",
        wrong=("class A: pass\ndef f(n):\n    return A()\n", "def f(n):\n    return iter([])\n"),
    ),
    Case(
        about="the type of a result",
        tests=("assert type(f(2)) == int and f(2) == 4",),
        right="def f(n):\n    return 2 * n\n",
        wrong=("class I(int): pass\ndef f(n):\n    return I(2 * n)\n", "def f(n):\n    return 2.0 * n\n"),
    ),
    Case(
        about="an entry point with a built-in's name",
        tests=("def check(candidate):\n    assert candidate([1, 2]) == 3\n",),
        entry_point="sum",
        right="def sum(xs):\n    t = 0\n    for x in xs:\n        t += x\n    return t\n",
        wrong=("def total(xs):\n    return 3\n", "def sum(xs):\n    return 4\n"),
    ),
    Case(
        about="a built-in's name beside another name",
        tests=("assert max([[1, 9], [3]]) == 9", "assert other(2) == 3"),
        right=(
            "import builtins\ndef max(rows):\n    return builtins.max(x for r in rows for x in r)\n"
            "def other(n):\n    return n + 1\n"
        ),
        wrong=("def other(n):\n    return n + 1\n", "def max(rows):\n    return 9\ndef other(n):\n    return 1\n"),
    ),
    Case(
        about="a built-in redefined under a test",
        tests=("assert sorted(values()) == [1, 2]", "x = values()\nassert sorted(x) == [1, 2]"),
        right="def values():\n    return [2, 1]\n",
        wrong=("def sorted(values):\n    return [1, 2]\ndef values():\n    return [3, 4]\n",),
    ),
    Case(
        about="an object that agrees with everything",
        tests=("x = f(2)\nassert x == 4 and [f(3)] == [9]",),
        right="def f(n):\n    return n * n\n",
        wrong=(
            "class A:\n    def __eq__(self, other): return True\ndef f(n):\n    return A()\n",
            "class A:\n    def __eq__(self, o): return isinstance(o, int)\ndef f(n):\n    return A()\n",
        ),
    ),
    Case(
        about="a class that has to answer for a comparison, and one that agrees with everything",
        tests=("assert Box(4) == 4", "assert Box([1, 2]) == [1, 2]", "assert [Box('a')] == ['a']"),
        right="class Box:\n    def __init__(self, v): self.v = v\n    def __eq__(self, o): return self.v == o\n",
        wrong=(
            "class Box:\n    def __init__(self, v): pass\n    def __eq__(self, other): return True\n",
            "class Box:\n    def __init__(self, v): self.v = v\n"
            "    def __eq__(self, o): return type(o) in (int, list, str)\n",
        ),
    ),
    Case(
        about="a dataclass and its representation",
        tests=("assert P(1, 2) == P(1, 2) and repr(P(1, 2)) == 'P(x=1, y=2)'", "assert P(1, 2).moved(1) == P(2, 2)"),
        right=(
            "from dataclasses import dataclass, replace\n@dataclass\nclass P:\n    x: int\n    y: int\n"
            "    def moved(self, d):\n        return replace(self, x=self.x + d)\n"
        ),
        wrong=(
            (
                "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\n"
                "    def moved(self, d):\n        return self\n"
            ),
        ),
    ),
    Case(
        about="an enumeration",
        tests=(
            "assert Color.RED.value == 1 and Color(2) is Color.BLUE and [c.name for c in Color] == ['RED', 'BLUE']",
        ),
        right="from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\n",
        wrong=("from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 3\n",),
    ),
    Case(
        about="inheritance from a class of the program, in the tests",
        tests=("class Mine(Base):\n    def area(self):\n        return 3\nassert Mine().twice() == 6",),
        right="class Base:\n    def twice(self):\n        return 2 * self.area()\n",
        wrong=("class Base:\n    def twice(self):\n        return self.area()\n",),
    ),
    Case(
        about="a test's function that changes what it is given",
        tests=("seen = []\napply(lambda xs: xs.append(1), seen)\nassert seen == [1]",),
        right="def apply(f, xs):\n    f(xs)\n",
        wrong=("def apply(f, xs):\n    f(list(xs))\n",),
    ),
    Case(
        about="coroutines and abstract classes",
        tests=(
            "import asyncio\nassert asyncio.iscoroutinefunction(work)",
            "import inspect\nassert inspect.isabstract(Shape)",
        ),
        right=(
            "from abc import ABC, abstractmethod\nasync def work():\n    return 1\n"
            "class Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n"
        ),
        wrong=(
            (
                "def work():\n    return 1\nfrom abc import ABC, abstractmethod\n"
                "class Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n"
            ),
        ),
    ),
    Case(
        about="numpy, in the tests and in the program",
        setup="import numpy as np\n",
        tests=("assert np.allclose(scale([1, 2]), [2.0, 4.0])", "assert scale([1]).shape == (1,)"),
        right="import numpy\ndef scale(xs):\n    return 2 * numpy.array(xs)\n",
        wrong=("import numpy\ndef scale(xs):\n    return 3 * numpy.array(xs)\n", "def scale(xs):\n    return xs\n"),
    ),
    Case(
        about="tests as EvalPlus writes them",
        entry_point="halves",
        tests=(
            "import numpy as np\n\ndef is_floats(x) -> bool:\n    if isinstance(x, float):\n        return True\n"
            "    if isinstance(x, (list, tuple)):\n        return all(isinstance(i, float) for i in x)\n"
            "    if isinstance(x, np.ndarray):\n        return x.dtype == np.float64\n    return False\n\n"
            "def assertion(out, exp, atol):\n    exact_match = out == exp\n"
            "    if atol == 0 and is_floats(exp):\n        atol = 1e-6\n    if not exact_match and atol != 0:\n"
            "        assert type(out) == type(exp)\n        if isinstance(exp, (list, tuple)):\n"
            "            assert len(out) == len(exp)\n        assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n"
            "    else:\n        assert exact_match\n\n"
            "def check(candidate):\n    inputs = [[[1.0, 2.0]], [[3]], [[]]]\n    results = [[0.5, 1.0], [1.5], []]\n"
            "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
            "        assertion(candidate(*inp), exp, 0)\n",
        ),
        right="def halves(xs):\n    return [x / 2 + 1e-9 for x in xs]\n",
        wrong=(
            "def halves(xs):\n    return [x / 2 + 1e-3 for x in xs]\n",
            "def halves(xs):\n    return [x // 2 for x in xs]\n",
        ),
    ),
    Case(
        about="a value of a class of its own, in plain tests",
        tests=("assert count('aab')['z'] == 0", "assert count('aab')['a'] == 2"),
        right="from collections import Counter\ndef count(text):\n    return Counter(text)\n",
        wrong=("def count(text):\n    return {each: text.count(each) for each in text}\n",),
    ),
    Case(
        about="a value too long to travel",
        tests=("assert len(zeros(5000000)) == 5000000",),
        right="def zeros(n):\n    return [1000000] * n\n",
        wrong=("def zeros(n):\n    return [0] * (n - 1)\n",),
    ),
)
