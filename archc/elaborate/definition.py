"""Which arch a name means, and the variants on the way to it."""

from __future__ import annotations

from dataclasses import field

from archc.diagnostics import Source, Span, did_you_mean
from archc.diagnostics.record import record
from archc.elaborate.module import Module
from archc.elaborate.values import Failure, fail
from archc.syntax import ast


@record(frozen=False)
class Definition:
    """An arch with the arguments and overrides a variant (of a variant …) puts on it.

    module: the file of the arch. variants: outermost first. homes: the file of each.
    """

    name: str
    module: Module
    arch: ast.ArchDef
    variants: list[ast.VariantDef] = field(default_factory=list)
    homes: list[Module] = field(default_factory=list)

    @property
    def doc(self) -> str:
        docs = [v.doc for v in self.variants] + [self.arch.doc, self.module.tree.doc]
        return next((d for d in docs if d), "")

    @property
    def outermost(self) -> Module:
        """The file that was asked for the name: of its variant, else of the arch."""
        return self.homes[0] if self.homes else self.module

    @property
    def layers(self) -> list[tuple[ast.VariantDef, Module]]:
        """Variants and their files, innermost first: the order in which they override."""
        return list(zip(self.variants, self.homes, strict=True))[::-1]

    @property
    def span(self) -> Span:
        return self.variants[0].name_span if self.variants else self.arch.name_span


def definition(module: Module, name: str) -> Definition:
    """The arch or variant of that name, its chain of bases followed; raises Failure."""
    variants: list[ast.VariantDef] = []
    homes: list[Module] = []
    wanted, at = name, module
    span: Span | None = None
    while True:
        declaration = at.declarations.get(wanted)
        if isinstance(declaration, ast.ArchDef):
            return Definition(name, at, declaration, variants, homes)
        if declaration is None and wanted in at.imports:
            statement, member = at.imports[wanted]
            if member is not None:
                at, wanted = at.library.import_module(at, statement), member.name
                continue
        if not isinstance(declaration, ast.VariantDef):
            candidates = [
                n for n, d in at.declarations.items() if isinstance(d, ast.ArchDef | ast.VariantDef)
            ]
            if wanted in at.lost:
                raise Failure
            where = span or Span(Source(at.source.name, ""), 0, 0)
            raise fail(
                "E0208", f"{at.source.name} declares no arch or variant `{wanted}`", where, "not found there",
                did_you_mean(wanted, candidates)
                or (f"it declares: {', '.join(candidates[:12]) or 'neither'}",),
            )  # fmt: skip
        if declaration in variants or len(variants) >= 16:
            raise fail(
                "E0215", f"variant `{declaration.name}` is based on itself", declaration.name_span, "",
                ("one variant of the chain must be based on an arch",),
            )  # fmt: skip
        variants.append(declaration)
        homes.append(at)
        base = declaration.base.function
        if not isinstance(base, ast.Name):
            raise fail(
                "E0208", "a variant is based on an arch or a variant by its name", base.span, "not a name",
                ("import it by name: `from resnet import resnet`",),
            )  # fmt: skip
        wanted, span = base.id, base.span
