"""Finding, reading and caching .arch files: the shipped library and the user's own."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path

from archc.diagnostics import ArchError, Diagnostic, Source, Span, nearest
from archc.elaborate.frame import Caches
from archc.elaborate.module import Module
from archc.elaborate.operators import SPECIALS, Special
from archc.elaborate.values import Failure, fail
from archc.syntax import ast
from archc.syntax.parse import parse, source_from_bytes
from archc.syntax.resources import data_root

MAX_SOURCE = 256 * 1024
MAX_IMPORT_DEPTH = 8
MAX_FILES = 32
_BLOCKS = re.compile(r"^block[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_AMBIENTS = re.compile(r"\bambient[ \t]+([A-Za-z_]\w*)")
_DECLARED = re.compile(r"^(?:arch|variant)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)


class Library:
    """The modules of one process. Files are parsed once and again when they change."""

    def __init__(self) -> None:
        self.root = data_root("specs")
        self.caches = Caches()
        self.modules: dict[Path, tuple[tuple[int, int], Module]] = {}
        self.loading: list[Path] = []
        self.imported: set[Path] = set()  # files that the one opened last led to
        self.current: set[Path] = set()  # of these, those whose imports are known not to have changed
        self._names: dict[str, Path] | None = None
        self._ambients: frozenset[str] | None = None

    @cached_property
    def specials(self) -> dict[str, Special]:
        """Builtins that need the frame."""
        from archc.elaborate.picks import PICK

        return {**SPECIALS, "pick": PICK}

    # ------------------------------------------------------------ files

    def open(self, path: Path) -> Module:
        """The module of a spec file given by the user; raises ArchError when it cannot be read."""
        self.imported.clear()
        self.current.clear()
        try:
            return self._load(path, str(path), confined=None)
        except Failure as failure:
            raise ArchError([_diagnostic(failure)]) from None

    def import_module(self, importer: Module, statement: ast.Import) -> Module:
        """The module an `import` names: beside the importing file, else shipped; raises Failure.

        A copy of a shipped file that imports a file of its own name means the shipped one, not itself.
        """
        parts = statement.module
        own, here = Path(importer.source.name), self.root.joinpath(*parts).with_suffix(".arch")
        for base, shipped in ((own.parent, False), (self.root, True)):
            path = base.joinpath(*parts).with_suffix(".arch")
            if not shipped and (not importer.beside or (path == own and here.is_file())):
                continue
            if path.is_file() or path.is_symlink():
                name = "/".join(parts) + ".arch" if shipped else str(path)
                try:
                    return self._load(
                        path, name, confined=base, statement=statement, depth=importer.depth + 1
                    )
                except ArchError as error:
                    raise Failure(error.diagnostics[0]) from None
        dotted = ".".join(parts)
        shipped_names = [
            ".".join(p.relative_to(self.root).with_suffix("").parts) for p in self.root.rglob("*.arch")
        ]
        near = nearest(dotted, shipped_names)
        raise fail(
            "E0211", f"no file for `{dotted}`", statement.span, "looked beside this file and in the library",
            (f"did you mean `{near}`?",) if near else (),
        )  # fmt: skip

    def _load(
        self,
        path: Path,
        name: str,
        confined: Path | None,
        statement: ast.Import | None = None,
        depth: int = 0,
    ) -> Module:
        span = statement.span if statement else Span(Source(name, ""), 0, 0)
        shipped = path.is_relative_to(self.root)
        if path in self.loading:
            chain = " -> ".join(p.stem for p in [*self.loading[self.loading.index(path) :], path])
            raise fail(
                "E0212", f"import cycle: {chain}", span, help=("move what both need into a third file",)
            )
        if depth > MAX_IMPORT_DEPTH or len(self.loading) > MAX_FILES:
            raise fail(
                "E0907", f"imports are nested more than {MAX_IMPORT_DEPTH} deep", span, "one too many",
                ("put blocks that belong together into one file",),
            )  # fmt: skip
        if depth and not shipped:
            self.imported.add(path)
            if len(self.imported) > MAX_FILES:
                raise fail(
                    "E0907", f"more than {MAX_FILES} files are imported", span, "one too many",
                    ("put blocks that belong together into one file",),
                )  # fmt: skip
        data, stamp = self._read(path, name, span, confined, shipped)
        known = self.modules.get(path)
        if known is not None and known[0] == stamp and self._is_current(known[1], path):
            return known[1]
        source = source_from_bytes(name, data)
        self.loading.append(path)
        try:
            tree, problems = parse(source)
            module = Module(self, source, tree, problems, depth, shipped)
            self.modules[path] = (stamp, module)
        finally:
            self.loading.pop()
        self.current.add(path)
        found = self._imports(module, path)
        module.imported = [m for m, _ in found]
        module.problems += [_diagnostic(failure) for _, failure in found if failure is not None]
        return module

    def _is_current(self, module: Module, path: Path) -> bool:
        """Whether what a module imports is what it was when it was loaded, looked at once for a file opened."""
        if module.shipped or path in self.current:
            return True
        self.current.add(path)
        return [m for m, _ in self._imports(module, path)] == module.imported

    def _imports(self, module: Module, path: Path) -> list[tuple[Module | None, Failure | None]]:
        """What each import leads to, loaded with the importer, so that a cycle shows at once."""
        found: list[tuple[Module | None, Failure | None]] = []
        self.loading.append(path)
        try:
            for statement in module.tree.statements:
                if isinstance(statement, ast.Import):
                    try:
                        found.append((self.import_module(module, statement), None))
                    except Failure as failure:
                        found.append((None, failure))
        finally:
            self.loading.pop()
        return found

    def _read(
        self, path: Path, name: str, span: Span, confined: Path | None, shipped: bool
    ) -> tuple[bytes, tuple[int, int]]:
        """The bytes of a file and a stamp of its state; symlinks and hard links are no way out."""
        if confined is not None and not shipped:
            at = confined
            for part in path.relative_to(confined).parts:
                at = at / part
                if at.is_symlink():
                    raise fail("E0216", f"{name} is a symbolic link", span, "imports do not follow links")
        try:
            flags = (
                os.O_RDONLY | os.O_NONBLOCK | (os.O_NOFOLLOW if confined is not None and not shipped else 0)
            )
            handle = os.open(path, flags)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a valid path"
            raise fail("E0217", f"cannot read {name}: {reason}", span, "", _files_like(path)) from None
        info = os.fstat(handle)
        if stat.S_ISDIR(info.st_mode):
            os.close(handle)
            run = (path / "network.json").exists()
            help = ("it is a run of `archc train`: give the spec it is of",) if run else ()
            raise fail("E0217", f"cannot read {name}: it is a folder", span, "", help)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(info.st_mode):
                raise fail("E0217", f"cannot read {name}: not a regular file", span)
            if confined is not None and not shipped and info.st_nlink > 1:
                raise fail("E0216", f"{name} is a hard link", span, "imports do not follow links")
            return file.read(MAX_SOURCE + 1), (info.st_mtime_ns, info.st_size)

    # ------------------------------------------------------------ library names

    def names(self) -> dict[str, Path]:
        """Every arch and variant of the shipped library and the file declaring it."""
        if self._names is None:
            self._names = {}
            for path in sorted(self.root.rglob("*.arch")):
                if path.is_relative_to(self.root / "std"):
                    continue
                for name in _DECLARED.findall(path.read_text(encoding="utf-8")):
                    self._names.setdefault(name, path)
        return self._names

    def blocks(self) -> dict[str, str]:
        """Every block of the standard library and the module to import it from."""
        return {name: f"std.{stem}" for stem, text in reversed(self._std()) for name in _BLOCKS.findall(text)}

    def ambients(self) -> frozenset[str]:
        """What some block of the standard library declares ambient."""
        if self._ambients is None:
            self._ambients = frozenset(name for _, text in self._std() for name in _AMBIENTS.findall(text))
        return self._ambients

    def _std(self) -> list[tuple[str, str]]:
        paths = sorted((self.root / "std").glob("*.arch"))
        return [(path.stem, path.read_text(encoding="utf-8")) for path in paths]

    def shipped(self, path: Path) -> Module:
        """A module of the shipped library by its path."""
        try:
            return self._load(path, str(path.relative_to(self.root)), confined=self.root)
        except Failure as failure:
            raise ArchError([_diagnostic(failure)]) from None

    def import_name(self, source_name: str) -> str:
        """How an `import` names a file: from the library's root if it is shipped, however its path was typed."""
        path = Path(source_name).with_suffix("")
        if path.is_absolute() or ".." in path.parts or not (self.root / source_name).is_file():
            with suppress(ValueError, OSError):
                path = path.resolve().relative_to(self.root.resolve())
        return ".".join(path.parts)

    def locate(self, spec: str) -> tuple[Module, str | None]:
        """`path.arch`, `path.arch:name` or a library name -> the module and the name asked for."""
        path_text, _, name = spec.partition(":")
        if path_text.endswith(".arch") or "/" in path_text or Path(path_text).is_file():
            path = Path(path_text)
            try:
                inside = path.resolve().is_relative_to(self.root.resolve())
            except (OSError, ValueError):
                inside = False
            module = self.open(path) if not inside else self._open_shipped(path)
            return module, name or None
        names = self.names()
        if path_text in names and not name:
            return self.shipped(names[path_text]), path_text
        near = nearest(path_text, names)
        help = f"did you mean `{near}`?" if near else "`archc list` shows the library"
        if Path(f"{path_text}.arch").is_file():
            help = f"the file is called `{path_text}.arch`"
        elif Path(path_text).is_dir():
            help = f"`{path_text}` is a folder: `archc check {path_text}` reads all specs in it"
        raise ArchError(
            [
                Diagnostic(
                    "E0218", f"no spec is called `{spec}`", Span(Source(spec, ""), 0, 0), "",
                    (help,),
                )
            ]
        )  # fmt: skip

    def _open_shipped(self, path: Path) -> Module:
        """A library file named by path: loaded once, shown by the path the user typed."""
        full = self.root / path.resolve().relative_to(self.root.resolve())
        try:
            return self._load(full, str(path), confined=None)
        except Failure as failure:
            raise ArchError([_diagnostic(failure)]) from None


def _files_like(path: Path) -> tuple[str, ...]:
    """A `help` that names a spec beside the missing one."""
    with suppress(OSError, ValueError):
        near = nearest(path.stem, [p.stem for p in islice(path.parent.glob("*.arch"), 1000)])
        if near and near != path.stem:
            return (f"did you mean `{path.with_name(near + '.arch')}`?",)
    return ()


def _diagnostic(failure: Failure) -> Diagnostic:
    assert failure.diagnostic is not None  # raised by `fail`, which always carries one
    return failure.diagnostic
