"""Small texts that ask for much: time, memory, depth, or output. Each must be answered with a diagnostic, or quickly."""

from __future__ import annotations

HEAD = "arch n() {\n input 3 x 32 x 32\n"
BOMBS: dict[str, str] = {}
BOMBS["nested repeat"] = (
    "block a(x) { return x -> (1000 * relu) }\nblock b(x) { return x -> (1000 * a) }\n"
    + HEAD
    + " head 1000 * b\n}\n"
)
BOMBS["nested blocks"] = (
    "block b0(x) { return x -> relu -> relu }\n"
    + "".join(f"block b{i}(x) {{ return x -> b{i - 1} -> b{i - 1} }}\n" for i in range(1, 60))
    + HEAD
    + " head b59\n}\n"
)
BOMBS["depth"] = (
    "block b0(x) { return x -> relu }\n"
    + "".join(f"block b{i}(x) {{ return x -> b{i - 1} }}\n" for i in range(1, 80))
    + HEAD
    + " head b79\n}\n"
)
BOMBS["omega"] = "block w(x, f: op) { return x -> f(f) }\n" + HEAD + " head w(w)\n}\n"
BOMBS["list double"] = HEAD + " a = [1]\n for i in 0..60 { a = a + a }\n head relu\n}\n"
BOMBS["list append"] = HEAD + " a = []\n for i in 0..65000 { a += [i] }\n head relu\n}\n"
BOMBS["nested for"] = (
    HEAD + "".join(f" for i{k} in 0..65000 {{" for k in range(5)) + " y = 1 " + "}" * 5 + "\n head relu\n}\n"
)
BOMBS["nested comp"] = (
    HEAD + " a = [" + "0 " + " ".join(f"for i{k} in 0..60000" for k in range(4)) + "]\n head relu\n}\n"
)
BOMBS["pow"] = HEAD + " a = 9 ** 9 ** 9 ** 9\n head relu\n}\n"
BOMBS["pow2"] = HEAD + " a = 2.0 ** 100000 \n b = 1e308 * 10\n head relu\n}\n"
BOMBS["mul"] = HEAD + " a = 1000000007\n for i in 0..10000 { a = a * a }\n head relu\n}\n"
BOMBS["str"] = HEAD + ' a = "xx"\n for i in 0..100 { a = a + a }\n head relu\n}\n'
BOMBS["range"] = (
    HEAD
    + " a = [i for i in 0..1000000000]\n b = sum(0..1000000000)\n c = len(range(10000000000))\n head relu\n}\n"
)
BOMBS["deep list"] = HEAD + " a = [1]\n for i in 0..60000 { a = [a] }\n info b = len(a)\n head relu\n}\n"
BOMBS["deep list key"] = (
    "block q(x, a: list) { return x -> relu }\n"
    + HEAD
    + " a = [1]\n for i in 0..50000 { a = [a] }\n head q(a)\n}\n"
)
BOMBS["deep show"] = (
    HEAD + " a = [1]\n for i in 0..50000 { a = [a] }\n b = a + 1\n c = a == [a]\n head relu\n}\n"
)
BOMBS["deep tuple tensor"] = HEAD + " a = x\n for i in 0..50000 { a = (a,) }\n y = a -> relu\n head relu\n}\n"
BOMBS["comp chain"] = HEAD + " f = relu\n for i in 0..30 { f = f -> f }\n head f\n}\n"
BOMBS["big conv"] = HEAD + " head conv(2000000000, 1000, padding = 1000)\n}\n"
BOMBS["big macs"] = HEAD + " head " + " -> ".join(["conv(2000000000, 1)"] * 50) + "\n}\n"
BOMBS["big stage"] = HEAD + " stage 100000 x relu\n}\n"
BOMBS["big for stage"] = HEAD + " for i in 0..30000 { stage relu }\n}\n"
BOMBS["brackets"] = HEAD + " a = " + "(" * 900 + "1" + ")" * 900 + "\n}\n"
BOMBS["brackets2"] = HEAD + " a = " + "[" * 30000 + "\n}\n"
BOMBS["braces"] = "arch n() " + "{ if true " * 20000
BOMBS["minus"] = HEAD + " a = " + "-" * 100000 + "1\n}\n"
BOMBS["not"] = HEAD + " a = " + "not " * 50000 + "true\n}\n"
BOMBS["plus chain"] = HEAD + " a = " + "+".join(["1"] * 100000) + "\n head relu\n}\n"
BOMBS["pipe chain"] = HEAD + " a = x" + " -> relu" * 30000 + "\n}\n"
BOMBS["pow chain"] = HEAD + " a = " + "**".join(["1"] * 50000) + "\n}\n"
BOMBS["if chain"] = HEAD + " a = " + "1 if true else " * 20000 + "1\n}\n"
BOMBS["else if chain"] = HEAD + " if true { y = 1 } " + "else if true { y = 1 } " * 10000 + "\n}\n"
BOMBS["call chain"] = HEAD + " a = relu" + "()" * 60000 + "\n}\n"
BOMBS["index chain"] = HEAD + " a = [1]" + "[0]" * 60000 + "\n}\n"
BOMBS["attr chain"] = HEAD + " a = x" + ".std" * 50000 + "\n}\n"
BOMBS["long line"] = "#" + "x" * 10_000_000
BOMBS["digits"] = HEAD + " a = " + "9" * 5000 + "\n}\n"
BOMBS["digits2"] = HEAD + " a = 0." + "9" * 200000 + "\n}\n"
BOMBS["nul"] = "\0" * 1000
BOMBS["bidi"] = "arch \u202en() {}\n"
BOMBS["name"] = "arch " + "a" * 100000 + "() {}\n"
BOMBS["underscores"] = HEAD + " a = 1" + "_" * 100000 + "1\n}\n"
BOMBS["many errors"] = HEAD + " y = zz\n" * 20000 + "}\n"
BOMBS["many syntax errors"] = "@ ! $\n" * 40000
BOMBS["many blocks"] = "".join(f"block b{i}(x) {{ return x }}\n" for i in range(9000))
BOMBS["many variants"] = HEAD + "}\n" + "".join(f"variant v{i} = n()\n" for i in range(12000))
BOMBS["variants heavy"] = "arch n() {\n input 3 x 32 x 32\n stage 19000 x relu\n}\n" + "".join(
    f"variant v{i} = n()\n" for i in range(10000)
)
BOMBS["expects heavy"] = (
    "arch n(k: int = 1) {\n input 3 x 32 x 32\n stage 19000 x relu\n"
    + "".join(f" expect (k = {i}) params = 0\n" for i in range(5000))
    + "}\n"
)
BOMBS["variant chain"] = (
    HEAD + "}\nvariant v0 = n()\n" + "".join(f"variant v{i} = v{i - 1}()\n" for i in range(1, 3000))
)
BOMBS["fn recursion"] = "fn f(a) = f(a) + f(a)\n" + HEAD + " y = f(1)\n head relu\n}\n"
BOMBS["fn tower"] = (
    "fn f0(a) = a + 1\n"
    + "".join(f"fn f{i}(a) = f{i - 1}(a) + f{i - 1}(a)\n" for i in range(1, 60))
    + HEAD
    + " y = f59(1)\n head relu\n}\n"
)
BOMBS["const tower"] = (
    "c0 = [1]\n"
    + "".join(f"c{i} = c{i - 1} + c{i - 1}\n" for i in range(1, 60))
    + HEAD
    + " y = c59\n head relu\n}\n"
)
BOMBS["const nest"] = (
    "c0 = [1]\n"
    + "".join(f"c{i} = [c{i - 1}, c{i - 1}]\n" for i in range(1, 60))
    + HEAD
    + " y = len(c59)\n z = c59 == c58\n head relu\n}\nblock q(x, a: list = c59) { return x }\narch m() { input 3 x 3 x 3\n head q }\n"
)
BOMBS["gcd"] = HEAD + " a = lcm(9223372036854775, 922337203685477, 9223372036854773)\n}\n"
BOMBS["round"] = HEAD + " a = round(1.5, 1000000000)\n b = make_divisible(1e300, 8)\n c = int(1e308)\n}\n"
BOMBS["unicode digits"] = HEAD + " a = ٣\n}\n"
BOMBS["sorted"] = (
    HEAD + " a = [i % 7 for i in 0..65000]\n for k in 0..10000 { b = sorted(a) }\n head relu\n}\n"
)
BOMBS["unique"] = (
    HEAD + " a = [[i, i] for i in 0..65000]\n for k in 0..10000 { b = unique(a) }\n head relu\n}\n"
)
BOMBS["in list"] = HEAD + " a = [i for i in 0..65000]\n for k in 0..60000 { b = k in a }\n head relu\n}\n"
BOMBS["eq list"] = HEAD + " a = [i for i in 0..65000]\n for k in 0..60000 { b = a == a }\n head relu\n}\n"
BOMBS["concat many"] = (
    HEAD + " a = [x for i in 0..65000]\n for k in 0..1000 { y = concat(a) }\n head relu\n}\n"
)
BOMBS["sum many"] = HEAD + " a = [x for i in 0..65000]\n for k in 0..10000 { x = sum(a) }\n}\n"
BOMBS["pick"] = (
    HEAD
    + " a = pick([i for i in 0..65000], k = 60000)\n b = [pick([1,2]) for i in 0..60000]\n head relu\n}\n"
)
BOMBS["domain"] = "arch n(a: float in 0..=1e308 step 1e-300) {\n input 3 x 3 x 3\n head relu\n}\n"
BOMBS["str cmp"] = HEAD + ' a = "' + "x" * 60000 + '"\n for i in 0..60000 { b = a in a }\n head relu\n}\n'
BOMBS["std deep"] = (
    "block b(x) { return x + (x -> scale(1 / x.std) -> ws_conv(3, 1)) }\n" + HEAD + " stage 5000 x b\n}\n"
)
BOMBS["set chain"] = (
    "block b(x, ambient act: op = relu) { return x -> act }\n"
    + HEAD
    + "".join(" set act = act -> act\n" for i in range(40))
    + " head b\n}\n"
)
BOMBS["set many"] = (
    "block b(x, ambient q: int = 1) { return x -> scale(q) }\n"
    + HEAD
    + " for i in 0..15000 { set q = i\n x = x -> b }\n}\n"
)
BOMBS["expr in dims"] = "arch n() {\n input 1e400 x 3 x 3\n}\n"


def _often(expression: str, before: str = "") -> str:
    """An expression in a loop: as wide as it is, it is paid for in every turn."""
    return before + HEAD + f" for i in 0..60000 {{ a = {expression} }}\n head relu\n}}\n"


def _list(item: str, times: int) -> str:
    return "[" + ", ".join([item] * times) + "]"


BOMBS["wide calls"] = _often(_list("conv(1, 1)", 200))
BOMBS["wide names"] = _often(_list("i", 2000))
BOMBS["wide lists"] = _often(_list("[i]", 2000))
BOMBS["wide if"] = _often(_list("1 if i < 3 else 2", 500))
BOMBS["wide pipes"] = _often(_list("relu -> relu", 500))
BOMBS["wide fn"] = _often("f(i)", f"fn f(a) = {_list('a', 500)}\n")
BOMBS["wide block"] = (
    f"block b(x, k: int) {{\n a = {_list('conv(1, 1)', 5000)}\n return x }}\n"
    + HEAD
    + " for i in 0..60000 { x = x -> b(i) }\n}\n"
)
BOMBS["wide default"] = (
    f"block b(x, k: list = {_list('conv(1, 1)', 5000)}) {{ return x }}\n"
    + HEAD
    + " for i in 0..60000 { x = x -> b }\n}\n"
)
BOMBS["wide argument"] = (
    "block b(x, k: list) { return x }\n"
    + HEAD
    + " a = [i for i in 0..60000]\n for i in 0..60000 { x = x -> b(a) }\n}\n"
)
BOMBS["long op"] = (
    HEAD + " f = 19000 * relu\n for i in 0..60000 { b = f -> relu\n c = b == f }\n head relu\n}\n"
)
BOMBS["long op set"] = (
    "block q(x, ambient f: op = relu) { return x }\n"
    + HEAD
    + " f = 19000 * relu\n for i in 0..60000 { set f = f\n x = x -> q }\n}\n"
)
BOMBS["op tower"] = (
    "block r(x, f: op, ambient g: op = relu) { return x -> f }\n"
    + HEAD
    + " f = relu\n for i in 0..60 { f = r(f, g = f) }\n head f\n}\n"
)
BOMBS["op tower shown"] = (
    "block r(x, f: op, g: op) { return x -> f }\n"
    + HEAD
    + " f = relu\n for i in 0..15 { f = r(f, f) }\n y = f + 1\n}\n"
)
BOMBS["op nest"] = (
    "block r(x, f: op) { return x -> relu }\n"
    + HEAD
    + " f = relu\n for i in 0..60000 { f = r(f) }\n head f\n}\n"
)
BOMBS["failing loop"] = (
    "block b(x) { return x -> relu }\n" + HEAD + " for i in 0..60000 { set quiet = i\n x = x -> b }\n}\n"
)
BOMBS["failing variants"] = (
    "block r(x) { return x -> (4 * (relu(gamma = true) -> scale(1.001))) }\nblock q(x) { return x -> (40 * r) }\n"
    "arch n(k: int = 1) {\n input 4 x 32 x 32\n stage 50 x q\n y = x.std\n z = x -> conv(-1)\n}\n"
    + "".join(f"variant v{i} = n(k = {i})\n" for i in range(6000))
)
BOMBS["distinct variants"] = (
    "block r(x) { return x + (x -> scale(1 / x.std) -> ws_conv(4, 3) -> relu(gamma = true)) }\n"
    "arch n(k: int = 1) {\n input 4 x (32 + k) x 32\n stage 4900 x r\n}\n"
    + "".join(f"variant v{i} = n(k = {i})\n" for i in range(6000))
)
BOMBS["long ambients"] = (
    "block b(x, ambient q: int = 1, ambient r: int = 2) { return x -> relu -> conv(1, 1) }\n"
    + HEAD
    + " set q = 1\n" * 20000
    + " stage 5000 x b\n}\n"
)
BOMBS["one constant"] = (
    "c = [0 for a in 0..200 for b in c2 for d in c2]\nc2 = 0..300\n" + HEAD + " y = c\n}\n"
)
BOMBS["one dear constant"] = "c = [len([0 for b in 0..60000]) for a in 0..60000]\n" + HEAD + " y = c\n}\n"
BOMBS["many constants"] = (
    "".join(f"c{i} = len([j for j in 0..65000])\n" for i in range(3000))
    + HEAD
    + " y = ["
    + ", ".join(f"c{i}" for i in range(3000))
    + "]\n head relu\n}\n"
)
