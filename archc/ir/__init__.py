"""The graph every analysis, pass and backend works on."""

from archc.ir.graph import Graph, Node, Output, Scope, ScopeKind

__all__ = ["Graph", "Node", "Output", "Scope", "ScopeKind"]
